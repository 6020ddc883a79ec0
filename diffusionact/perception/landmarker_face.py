"""The bundled face landmarker as a differentiable network for photographs: landmarks, head pose, gaze, expression.

Nets, landmarks and angles are those of `OpenFaceTracker`; the detector's place is taken by given landmarks, so that
everything from the image to the result has a gradient.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from ..face.geometry.gaze import gaze_from_pupils
from ..face.geometry.ibug68 import EYES
from ..face.geometry.rotations import matrix_to_head_pose
from ..face.readers.open.landmarker import FaceBlendshapes, FaceMesh, HeadGeometry
from ..face.readers.open.landmarker.graph import DATA_FOLDER
from ..face.readers.open.landmarker.mesh import INPUT_SIZE, place_mesh
from ..face.readers.open.landmarker.regions import SquareRegions
from ..face.readers.open.mesh_landmarks import PUPIL_POINTS, landmark_matrix
from ..types import FaceObservation

# The detector's region beside the upright box of the 68 landmarks: side in mean extents, and how far its centre lies
# above the box's, in sides. Means over 12 synthetic frames and the demo's source; single ones stray by a tenth.
SIDE_PER_EXTENT = 1.62
CENTRE_ABOVE = 0.028
MIN_PRESENCE = 0.5


def face_regions(landmarks: Tensor) -> SquareRegions:
    """Where the mesh net should look for faces with landmarks (B, 68, 2) px: upright in the head's own roll."""
    right, left = (landmarks[:, list(eye)].mean(1) for eye in EYES)
    angle = torch.atan2(left[:, 1] - right[:, 1], left[:, 0] - right[:, 0])
    across = torch.stack([angle.cos(), angle.sin()], dim=-1)
    down = torch.stack([-angle.sin(), angle.cos()], dim=-1)
    upright = torch.stack([(landmarks * axis[:, None]).sum(-1) for axis in (across, down)], dim=-1)
    low, high = upright.amin(1), upright.amax(1)
    side = SIDE_PER_EXTENT * (high - low).mean(-1).clamp(min=1.0)
    middle = (low + high) / 2
    centre = middle[:, :1] * across + (middle[:, 1] - CENTRE_ABOVE * side)[:, None] * down
    return SquareRegions(centre, side, angle)


class LandmarkerFace(nn.Module):
    """Reads aligned images with MediaPipe's mesh and blendshape nets; frozen, differentiable in the images."""

    def __init__(self):
        super().__init__()
        self.mesh, self.blendshapes, self.geometry = FaceMesh(), FaceBlendshapes(), HeadGeometry()
        canonical = load_file(DATA_FOLDER / "face_geometry.safetensors")["vertices"]
        self.register_buffer("landmark_matrix", landmark_matrix(canonical), persistent=False)

    def forward(self, images: Tensor, landmarks: Tensor) -> FaceObservation:
        """What the face reader would see.

        Args:
            images: (B, 3, H, W) in [-1, 1], RGB.
            landmarks: (B, 68, 2) px of them: where to look; no gradient flows through them.

        Returns:
            B rows in px of the images; `confidence` is the mesh's presence in [0, 1].
        """
        # Half precision would round positions in a 256 px crop to whole pixels.
        with torch.autocast(images.device.type, enabled=False):
            regions = face_regions(landmarks.detach().float())
            mesh, presence = self.mesh(self.cut_faces(images.float(), regions))
            mesh = place_mesh(mesh, regions)
            points, pupils = self.landmark_matrix @ mesh[..., :2], mesh[:, list(PUPIL_POINTS), :2]
            return FaceObservation(
                landmarks=points,
                pupils=pupils,
                head_pose=matrix_to_head_pose(self.geometry.apparent_rotation(mesh)),
                gaze=gaze_from_pupils(points, pupils),
                expression=self.blendshapes(mesh),
                confidence=presence,
                found=presence >= MIN_PRESENCE,
            )

    @staticmethod
    def cut_faces(images: Tensor, regions: SquareRegions) -> Tensor:
        """Crops (B, 3, 256, 256) in [0, 1], one of each image: `sample_regions` with a gradient and without bytes."""
        height, width = images.shape[-2:]
        steps = torch.arange(INPUT_SIZE, device=images.device) / INPUT_SIZE
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        positions = regions.to_image(torch.stack([x.flatten(), y.flatten()], dim=-1).expand(len(images), -1, 2))
        grid = (positions + 0.5) * 2 / positions.new_tensor([width, height]) - 1
        grid = grid.unflatten(1, (INPUT_SIZE, INPUT_SIZE))
        return F.grid_sample((images + 1) / 2, grid, padding_mode="border", align_corners=False)
