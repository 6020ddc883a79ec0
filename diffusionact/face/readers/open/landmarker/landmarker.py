"""The whole chain for images: detector -> regions -> mesh -> blendshapes and head transform, for every face.

An ordinary image takes MediaPipe's path in its still-image mode. A frame in which that finds nothing is searched
further: turned by quarters, with more margin, and in overlapping tiles. A doubtful find is compared with the turned
frame, because the nets sometimes read an upright face into a head that lies on its side.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from .detector import INPUT_SIZE as DETECTOR_SIZE
from .detector import REGION_SCALE, Detections, FaceDetector
from .geometry import HeadGeometry
from .mesh import BLENDSHAPE_POINTS, INPUT_SIZE, NUM_POINTS, FaceBlendshapes, FaceMesh, place_mesh
from .regions import SquareRegions, overlapping_tiles, region_around, sample_regions, shrink_frame, whole_image

MIN_PRESENCE = 0.5
# Searching further looks at many views: noise gets more chances, so a face must be clearer.
MIN_PRESENCE_SEARCHED = 0.8
# Faces lying on their side that were misread had a confidence of 0.33 to 0.73 on the sample clips turned by 15 degree
# steps, the same faces read correctly 0.1 to 0.5 more.
DOUBTFUL_CONFIDENCE = 0.75
CLEARLY_MORE = 0.1
MISREAD_DISTANCE = 0.1  # mean distance of the two meshes, in face sizes
MAX_FACES = 8
MAX_DOUBTFUL_FACES = 2
QUARTER_TURNS = (math.pi / 2, -math.pi / 2, math.pi)
TILE_FRACTIONS = (1 / 2, 1 / 4)
# Groups: tiles as small as they still show more pixels than the detector reads, and how many faces are measured.
GROUP_TILE_FRACTIONS, MIN_TILE_PX, MAX_GROUP_FACES = (1 / 2, 1 / 4, 1 / 8), 192, 64
# Of hundreds of views some show a face in leaves or ears of wheat: of a grid of twelve portraits one such had 0.52, the
# faces at least 0.78.
MIN_GROUP_CONFIDENCE = 0.6
# A mesh of which so much lies within that of a surer face is the same face, seen otherwise.
SAME_FACE_SHARE = 0.4
CLOSE_UP_SCALE = 2.5  # side of the second look, in box sides
# Mesh points in place of the detector's six: eyes, nose tip, mouth, ears.
KEY_POINTS = (468, 473, 1, 13, 234, 454)


@dataclass(frozen=True)
class Faces:
    """N faces of one image, largest first.

    Attributes:
        points: (N, 478, 3) mesh, px; depth in the same unit, smaller is nearer.
        blendshapes: (N, 52) in [0, 1].
        transforms: (N, 4, 4) canonical face -> camera, see `HeadGeometry`.
        boxes: (N, 4) left, top, right, bottom of the detector, px.
        key_points: (N, 6, 2) of the detector, px.
        confidence: (N,) detection score times mesh presence, in [0, 1].
    """

    points: Tensor
    blendshapes: Tensor
    transforms: Tensor
    boxes: Tensor
    key_points: Tensor
    confidence: Tensor

    def __len__(self) -> int:
        return len(self.confidence)

    def rows(self, rows: list[int]) -> Faces:
        """Some of them."""
        return Faces(*(getattr(self, field.name)[rows] for field in fields(self)))


def distinct_faces(*parts: Faces) -> Faces:
    """Faces of several looks at one image, largest first; those of an earlier look stay as they are."""
    joined = Faces(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Faces)))
    low, high = joined.points[..., :2].amin(1), joined.points[..., :2].amax(1)
    areas = (high - low).prod(-1)
    kept = list(range(len(parts[0])))
    for row in (joined.confidence[len(kept) :].argsort(descending=True) + len(kept)).tolist():
        common = torch.minimum(high[row], high[kept]) - torch.maximum(low[row], low[kept])
        share = common.clamp(min=0).prod(-1) / torch.minimum(areas[row], areas[kept])
        if not bool((share > SAME_FACE_SHARE).any()):
            kept.append(row)
    return joined.rows(sorted(kept, key=lambda row: -float(areas[row])))


def _traced(net: nn.Module, example: Tensor) -> nn.Module:
    with warnings.catch_warnings():  # of shapes that become constants, which is what is wanted
        warnings.simplefilter("ignore")
        return torch.jit.freeze(torch.jit.trace(net.eval(), (example,), check_trace=False))


def further_views(height: int, width: int) -> Iterator[SquareRegions]:
    """Views for faces that lie on their side, fill more than the image or are small; then for smaller ones."""
    turned = whole_image(height, width, angles=QUARTER_TURNS)
    beyond = whole_image(height, width, zoom_out=2.0)
    largest, *smaller = (overlapping_tiles(height, width, fraction) for fraction in TILE_FRACTIONS)
    yield SquareRegions.join([turned, beyond, largest])
    yield from smaller


def is_misread(faces: Faces, searched: Faces) -> bool:
    """Whether the search shows something clearly surer than the best of `faces`, and elsewhere or searched."""
    before, after = faces.confidence.argmax(), searched.confidence.argmax()
    if searched.confidence[after] <= faces.confidence[before] + CLEARLY_MORE:
        return False
    extent = searched.points[after].amax(0) - searched.points[after].amin(0)
    moved = (searched.points[after] - faces.points[before])[:, :2].norm(dim=-1).mean()
    return bool(moved > MISREAD_DISTANCE * extent[:2].max())


class FaceLandmarker(nn.Module):
    """Finds and measures all faces in images of one size.

    Args:
        detection_threshold: minimum score of the detector, 0 to 1.
    """

    def __init__(self, detection_threshold: float = 0.5):
        super().__init__()
        self.detection_threshold = detection_threshold
        self.detector = FaceDetector()
        self.mesh = FaceMesh()
        self.blendshapes = FaceBlendshapes()
        self.geometry = HeadGeometry()

    def forward(self, frames: Tensor) -> list[Faces]:
        """Faces of each frame.

        Args:
            frames: (F, H, W, 3) uint8 on the device of the nets.

        Returns:
            F results on the device of the nets.
        """
        view = whole_image(*frames.shape[1:3])
        images = torch.cat([sample_regions(frame, view, DETECTOR_SIZE, "zeros") for frame in frames])
        views = SquareRegions.join([view] * len(frames))
        detections = self.detector.detect(images, views, self.detection_threshold)
        found = self._measure(frames, detections, MIN_PRESENCE)
        return [self._reconsider(frame, faces) for frame, faces in zip(frames, found, strict=True)]

    def search_group(self, frame: Tensor) -> Faces:
        """All faces of a photo uint8 (H, W, 3) on the device of the nets, also those that are small in it.

        The ordinary look, and one at overlapping tiles of a half, a quarter and an eighth of the longer side as far as
        the photo has pixels for them; of views of the same face the surest stays.
        """
        ordinary = self(frame[None])[0]
        tiles = [
            overlapping_tiles(*frame.shape[:2], fraction)
            for fraction in GROUP_TILE_FRACTIONS
            if max(frame.shape[:2]) * fraction >= MIN_TILE_PX
        ]
        if not tiles:
            return ordinary
        found = self._detect_in_views(frame, SquareRegions.join(tiles))[:MAX_GROUP_FACES]
        close = self._look_closer(frame, found)
        searched = self._measure(frame[None], [close], MIN_PRESENCE_SEARCHED, MAX_GROUP_FACES)[0]
        sure = (searched.confidence >= MIN_GROUP_CONFIDENCE).nonzero()[:, 0].tolist()
        return distinct_faces(ordinary, searched.rows(sure))

    def look_again(self, frame: Tensor, points: Tensor) -> Faces:
        """One face in the frame after the one in which it was seen: the detector is left out, nothing is searched.

        Args:
            frame: (H, W, 3) uint8 on the device of the nets.
            points: (478, 2 or more) px, its mesh in the frame before.

        Returns:
            One face, or none where it is no longer there; its confidence is the mesh's presence alone.
        """
        key_points = points[list(KEY_POINTS), :2]
        box = torch.cat([points[:, :2].amin(0), points[:, :2].amax(0)])
        region = region_around(points[:, :2], key_points[0], key_points[1], REGION_SCALE)
        detection = Detections(box[None], key_points[None], torch.ones(1, device=points.device), region)
        return self._measure(frame[None], [detection], MIN_PRESENCE)[0]

    def look_once(self, frame: Tensor) -> Faces:
        """The largest face that the ordinary look at a frame uint8 (H, W, 3) finds: quick also where there is none."""
        view = whole_image(*frame.shape[:2])
        image = sample_regions(frame, view, DETECTOR_SIZE, "zeros")
        found = self.detector.detect(image, view, self.detection_threshold)[0]
        largest = found[found.regions.side.argsort(descending=True)[:1]]
        return self._measure(frame[None], [largest], MIN_PRESENCE)[0]

    @torch.no_grad()
    def trace_for_one_face(self) -> None:
        """Fix the mesh's nets, where they are, for one face at a time: a fifth faster, the same numbers.

        Afterwards only `look_once` and `look_again` may be called. Takes about a second.
        """
        image = torch.zeros(1, 3, INPUT_SIZE, INPUT_SIZE, device=self.detector.anchors.device)
        image = image.contiguous(memory_format=torch.channels_last)
        self.mesh.net = _traced(self.mesh.net, image)
        points = image.new_zeros(1, len(BLENDSHAPE_POINTS), 2)
        self.blendshapes.net = _traced(self.blendshapes.net, points)

    def _reconsider(self, frame: Tensor, faces: Faces) -> Faces:
        """Search a frame further if the ordinary look found nothing, or nothing but doubtful faces."""
        doubtful = len(faces) > 0
        if doubtful and faces.confidence.max() >= DOUBTFUL_CONFIDENCE:
            return faces
        # The smallest tile keeps twice the pixels that the detector reads.
        factor = int(max(frame.shape[:2]) * TILE_FRACTIONS[-1] / (2 * DETECTOR_SIZE))
        factor = max(min(factor, *frame.shape[:2]), 1)
        small = shrink_frame(frame, factor)
        if doubtful:
            turned = whole_image(*small.shape[:2], angles=QUARTER_TURNS)
            searched = self._search(frame, small, factor, turned, MAX_DOUBTFUL_FACES)
            return searched if len(searched) and is_misread(faces, searched) else faces
        for views in further_views(*small.shape[:2]):
            faces = self._search(frame, small, factor, views, MAX_FACES)
            if len(faces):
                break
        return faces

    def _search(self, frame: Tensor, small: Tensor, factor: int, views: SquareRegions, most: int) -> Faces:
        """Detect in views of the shrunk frame, then closely in the frame itself, and measure."""
        detections = self._detect_in_views(small, views)[:most].enlarged(factor)
        return self._measure(frame[None], [self._look_closer(frame, detections)], MIN_PRESENCE_SEARCHED)[0]

    def _detect_in_views(self, frame: Tensor, views: SquareRegions) -> Detections:
        images = sample_regions(frame, views, DETECTOR_SIZE, "zeros")
        return Detections.join(self.detector.detect(images, views, self.detection_threshold))

    def _look_closer(self, frame: Tensor, detections: Detections) -> Detections:
        """Detect each face again in close-ups at four turns: tiles cut faces, and coarse views mistake their turn."""
        if not len(detections):
            return detections
        regions = detections.regions
        side = regions.side / REGION_SCALE * CLOSE_UP_SCALE
        turns = [regions.angle + turn for turn in (0.0, *QUARTER_TURNS)]
        close = SquareRegions.join([SquareRegions(regions.centre, side, angle) for angle in turns])
        return self._detect_in_views(frame, close)

    def _measure(
        self, frames: Tensor, detections: list[Detections], min_presence: float, most: int = MAX_FACES
    ) -> list[Faces]:
        """Run mesh, blendshapes and geometry on the faces of several frames together."""
        detections = [found[found.regions.side.argsort(descending=True)[:most]] for found in detections]
        counts = [len(found) for found in detections]
        images = [
            sample_regions(frame, found.regions, INPUT_SIZE, "border")
            for frame, found in zip(frames, detections, strict=True)
        ]
        images = torch.cat(images)
        regions = SquareRegions.join([found.regions for found in detections]).to(frames.device)
        if len(regions):
            points, presence = self.mesh(images / 255.0)
        else:
            points, presence = images.new_zeros(0, NUM_POINTS, 3), images.new_zeros(0)
        points = place_mesh(points, regions)
        per_frame = zip(frames, detections, points.split(counts), presence.split(counts), strict=True)
        return [self._faces(frame, found, p, q, min_presence) for frame, found, p, q in per_frame]

    def _faces(self, frame: Tensor, found: Detections, points: Tensor, presence: Tensor, min_presence: float) -> Faces:
        """Keep the faces that are present; order them by size."""
        rows = (presence >= min_presence).nonzero().flatten()
        extent = points[rows, :, :2].amax(1) - points[rows, :, :2].amin(1)
        rows = rows[extent.prod(-1).argsort(descending=True)]
        points, device = points[rows], frame.device
        empty = len(rows) == 0
        return Faces(
            points=points,
            blendshapes=points.new_zeros(0, 52) if empty else self.blendshapes(points),
            transforms=points.new_zeros(0, 4, 4) if empty else self.geometry(points, *frame.shape[:2]),
            boxes=found.boxes.to(device)[rows],
            key_points=found.key_points.to(device)[rows],
            confidence=found.scores.to(device)[rows] * presence[rows],
        )
