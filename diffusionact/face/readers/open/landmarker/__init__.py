"""MediaPipe's face landmarker on torch: detector, mesh, blendshapes and head transform."""

from .geometry import HeadGeometry
from .landmarker import FaceLandmarker, Faces
from .mesh import FaceBlendshapes, FaceMesh

__all__ = ["FaceBlendshapes", "FaceLandmarker", "FaceMesh", "Faces", "HeadGeometry"]
