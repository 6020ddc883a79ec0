"""Geometry of faces in images: points, rotations, cameras, crops, gaze."""
