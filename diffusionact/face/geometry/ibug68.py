"""The iBUG-68 landmark convention: which points belong to which part of the face.

`right` and `left` are the subject's own sides: points 36 to 41 are the right eye, at the image's left. Source: 300-W
annotation scheme, https://ibug.doc.ic.ac.uk/resources/facial-point-annotations/.
"""

from __future__ import annotations

NUM_LANDMARKS = 68

CONTOUR = tuple(range(0, 17))
RIGHT_BROW = tuple(range(17, 22))
LEFT_BROW = tuple(range(22, 27))
NOSE_BRIDGE = tuple(range(27, 31))
NOSTRILS = tuple(range(31, 36))
RIGHT_EYE = tuple(range(36, 42))
LEFT_EYE = tuple(range(42, 48))
OUTER_LIPS = tuple(range(48, 60))
INNER_LIPS = tuple(range(60, 68))

NOSE_BASE = 33
RIGHT_MOUTH_CORNER = 48
LEFT_MOUTH_CORNER = 54

# The subject's right eye first, as in every tensor of pupils.
EYES = (RIGHT_EYE, LEFT_EYE)
