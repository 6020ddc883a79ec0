"""Which of several faces is meant: the largest, the one that was meant in the frame before, or one by number."""

from __future__ import annotations

from torch import Tensor

from ...checks import check_choice

FACE_CHOICES = ("largest", "follow")
# A face whose centre moved further than this many face sizes since it was last seen is another one.
FOLLOWING_REACH = 1.0
# After so many frames without the followed face, the largest face is followed instead.
FOLLOWING_PATIENCE = 25


def check_face(face: str | int) -> None:
    """Raise ValueError unless `face` is one of FACE_CHOICES or an index."""
    if isinstance(face, str):
        check_choice("face", face, FACE_CHOICES)
    elif isinstance(face, bool) or not isinstance(face, int) or face < 0:
        raise ValueError(f"Expected face as {FACE_CHOICES} or an index from 0, received {face!r}; choose one of these.")


class FaceChooser:
    """Chooses one face per frame; made anew for every clip.

    Args:
        face: "largest", "follow" or an index into the faces ordered by size, largest first.
    """

    def __init__(self, face: str | int):
        self.face = face
        self.last_centre: Tensor | None = None
        self.last_size = 0.0
        self.was_alone = True
        self.num_missed = 0

    def choose(self, points: Tensor) -> int | None:
        """Row of the chosen face in the next frame; None if it is not there.

        Args:
            points: (N, P, 2 or more) px, points of N faces, largest face first: a mesh, or the corners of a box.
        """
        if self.face == "follow":
            return self._follow(points[..., :2])
        wanted = 0 if self.face == "largest" else int(self.face)
        return wanted if wanted < len(points) else None

    def _follow(self, points: Tensor) -> int | None:
        """The face nearest to the last position.

        If other faces were around, one beyond reach is not taken: the followed person may have turned away. If the face
        was alone it is taken wherever it is, because then the image was cut or moved.
        """
        if not len(points):
            self.num_missed += 1
            return None
        centres = points.mean(1)
        if self.last_centre is None or self.num_missed >= FOLLOWING_PATIENCE:
            row = 0
        else:
            distances = (centres - self.last_centre).norm(dim=-1)
            row = int(distances.argmin())
            if not self.was_alone and distances[row] > FOLLOWING_REACH * self.last_size:
                self.num_missed += 1
                return None
        extent = points[row].amax(0) - points[row].amin(0)
        self.last_centre, self.last_size = centres[row], extent.max().item()
        self.was_alone, self.num_missed = len(points) == 1, 0
        return row
