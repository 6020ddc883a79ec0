"""Faces: tracking, alignment, face model, retargeting, landmark maps, pasting back. Knows no generating networks."""
