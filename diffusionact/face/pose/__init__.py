"""Poses of the source: reading, retargeting, editing, drawing."""
