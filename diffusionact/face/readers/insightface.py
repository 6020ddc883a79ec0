"""Faces found by the package insightface (optional), measured by the bundled nets; and its embedding of identity.

Its detector finds smaller and more turned faces than the bundled one. Its models are the user's: their licence allows
non-commercial research only, and nothing here downloads them. Boxes and five points of SCRFD, 512 numbers of ArcFace.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .entry import FaceReaderEntry
from .open.face_model import OpenFaceModel
from .open.landmarker import FaceLandmarker, Faces
from .open.landmarker.detector import Detections
from .open.landmarker.landmarker import MIN_PRESENCE
from .open.landmarker.regions import SquareRegions
from .open.reader import OpenFaceReader
from .open.tracking import OpenFaceTracker

MODEL_NAME = "buffalo_l"
DEFAULT_ROOT = Path("~/.insightface")
DETECTION_SIZE = 640
# -1 keeps onnxruntime on the CPU; from 0 on it takes what it has.
DEFAULT_CONTEXT = 0
# The mesh net wants this margin around a box from forehead to chin, as around its own mesh.
REGION_SCALE = 1.5


class InsightFaceModels:
    """The package's detector and, where its file is there, its identity net.

    Args:
        root: holds models/NAME/*.onnx; None is the package's own folder.
        name: of the set of models.

    Raises:
        ModuleNotFoundError: if the package is not installed.
        FileNotFoundError: if the models are not there.
        ValueError: if they are broken.
    """

    def __init__(self, root: str | Path | None = None, name: str = MODEL_NAME):
        if find_spec("insightface") is None or find_spec("onnxruntime") is None:
            raise ModuleNotFoundError(
                "Expected the packages insightface and onnxruntime for this face reader, received an installation "
                "without them. Run `pip install diffusionact[insightface]`, or use the face reader 'open'."
            )
        root = Path(root or DEFAULT_ROOT).expanduser()
        folder = root / "models" / name
        # The package would download them by itself.
        if not list(folder.glob("*.onnx")):
            raise FileNotFoundError(
                f"Expected insightface's models as {folder}/*.onnx, received none there. Download {name} from the "
                "insightface project (non-commercial research only) and unpack it there, or use the face reader 'open'."
            )
        from insightface.app import FaceAnalysis
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf

        try:
            self.app = FaceAnalysis(name, str(root), allowed_modules=["detection", "recognition"])
        except (AssertionError, Fail, InvalidGraph, InvalidProtobuf) as error:
            raise ValueError(
                f"Expected insightface's detector in {folder}, received files that the package cannot use "
                f"({' '.join(str(error).split())[:200] or 'no detector among them'}). Unpack the models again."
            ) from error
        self.app.prepare(DEFAULT_CONTEXT, det_size=(DETECTION_SIZE, DETECTION_SIZE))

    @property
    def embeds(self) -> bool:
        """Whether the identity net is there."""
        return "recognition" in self.app.models

    def faces(self, frame: Tensor, threshold: float) -> list[Any]:
        """The package's faces of a frame uint8 (H, W, 3), best score first."""
        self.app.det_model.det_thresh = threshold
        levels = frame.flip(-1).cpu().numpy().copy()  # the package expects BGR
        boxes, points = self.app.det_model.detect(levels, max_num=0, metric="default")
        from insightface.app.common import Face

        return [
            Face(bbox=box[:4], kps=point, det_score=box[4])
            for box, point in sorted(zip(boxes, points, strict=True), key=lambda found: -found[0][4])
        ]

    def embedding(self, frame: Tensor) -> Tensor | None:
        """Identity (512,) of unit length of the best face of a frame uint8 (H, W, 3); None without a face or net."""
        found = self.faces(frame, self.app.det_thresh) if self.embeds else []
        if not found:
            return None
        self.app.models["recognition"].get(frame.flip(-1).cpu().numpy().copy(), found[0])
        return torch.from_numpy(found[0].normed_embedding)


class InsightFaceLandmarker(FaceLandmarker):
    """The bundled nets in the boxes of insightface's detector.

    Args:
        models: the package's.
        detection_threshold: minimum score, 0 to 1.
    """

    def __init__(self, models: InsightFaceModels, detection_threshold: float):
        super().__init__(detection_threshold)
        self.models = models

    def forward(self, frames: Tensor) -> list[Faces]:
        """Faces of each frame; see `FaceLandmarker`."""
        detections = [self._detect(frame) for frame in frames]
        return self._measure(frames, detections, MIN_PRESENCE)

    def _detect(self, frame: Tensor) -> Detections:
        found = self.models.faces(frame, self.detection_threshold)
        boxes = torch.stack([torch.from_numpy(face.bbox).float() for face in found] or [torch.zeros(4)])[: len(found)]
        points = torch.stack([torch.from_numpy(face.kps).float() for face in found] or [torch.zeros(5, 2)])
        scores = torch.tensor([float(face.det_score) for face in found])
        return detections_of(boxes, points[: len(found)], scores)


class InsightFaceReader(OpenFaceReader):
    """`OpenFaceReader` whose faces are found by insightface; see `FaceReader`.

    Args:
        root: see `InsightFaceModels`.
    """

    name = "insightface"

    def __init__(self, root: str | Path | None = None):
        super().__init__()
        self.models = InsightFaceModels(root)

    def make_tracker(self, face: str | int, missing: str, detection_threshold: float) -> OpenFaceTracker:
        """See `OpenFaceReader`."""
        landmarker = InsightFaceLandmarker(self.models, detection_threshold)
        return OpenFaceTracker(face, missing, detection_threshold, landmarker)

    def embed_identity(self, image: Tensor) -> Tensor | None:
        """See `FaceReader`."""
        return self.models.embedding(image)


ENTRY = FaceReaderEntry(
    name=InsightFaceReader.name,
    description="the package insightface finds the faces, the bundled nets measure them",
    load=InsightFaceReader,
    is_usable=lambda: find_spec("insightface") is not None,
    face_model=OpenFaceModel.name,
    folder="root folder of the package's models; None is its own",
)


def detections_of(boxes: Tensor, points: Tensor, scores: Tensor) -> Detections:
    """Boxes (N, 4) and five points (N, 5, 2) px as the bundled detector has them, with regions for the mesh net.

    The five points are both eyes, nose tip and both mouth corners; the six are eyes, nose tip, mouth and ears. An ear
    is set where the box ends beside the eye.
    """
    right_eye, left_eye, nose = points[:, 0], points[:, 1], points[:, 2]
    mouth = (points[:, 3] + points[:, 4]) / 2
    ears = [torch.stack([boxes[:, side], eye[:, 1]], dim=-1) for side, eye in ((0, right_eye), (2, left_eye))]
    eyes = left_eye - right_eye
    side = (boxes[:, 2:] - boxes[:, :2]).amax(-1) * REGION_SCALE
    regions = SquareRegions((boxes[:, :2] + boxes[:, 2:]) / 2, side, torch.atan2(eyes[:, 1], eyes[:, 0]))
    return Detections(boxes, torch.stack([right_eye, left_eye, nose, mouth, *ears], dim=1), scores, regions)
