"""The inference procedure of "Finding Directions" as in the official code, frame by frame.

Every image is resized to a width of 1,000 px whatever its size, its face is found there and cut as a square that is not
turned; landmarks are found a second time for DECA's crop, by another pipeline with other colours. Of several faces the
one with the lowest score above 0.99 counts, as there. Nothing is smoothed, filled in or chosen. Three things differ: an
image without a face is an error (there the head turns by -180 degrees), the mean latent is the model's own (there it is
drawn anew in every run), and the generator is only tuned where steps are asked for, without LPIPS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from ..checks import check_frames
from ..face.errors import NoFaceFoundError
from ..face.geometry.alignment import compose_transforms, invert_transform
from ..face.geometry.area_resize import resize_by_area
from ..face.geometry.crop_frame import crop_frame_transform
from ..face.geometry.resize import resize_transform
from ..face.geometry.square_crop import square_crop
from ..face.pose.retargeting import face_pose, recombine
from ..face.readers.deca.reader import DecaFaceReader
from ..face.readers.emoca.crops import crop_for_deca
from ..face.readers.emoca.face_detector import FACE_SCORE
from ..face.readers.emoca.face_measuring import MeasuredFace
from ..face.readers.emoca.landmark_crop import FaceSquare, crop_for_landmarks, landmarks_from_heatmaps
from ..face.readers.emoca.ranges import MAX_LEVEL, to_official_levels
from ..generation import AlignedSource, Conditioning, Sampling
from ..generation.engine_names import DIRECTIONS
from ..generation.sampling import StepCallback
from ..types import CropTransform, FaceCoefficients, FacePose, SourceCodes
from .official import AlignedFace
from .reenactment import DiffusionActPipeline, ReenactedFrame

FRAME_SIZE = 256
FIRST_WIDTH = 1000
FIRST_SCORE = 0.99
# Of the second landmark pipeline's detector, which sees blue, green, red less these means.
DETECTOR_MEANS = (104.0, 117.0, 123.0)


class OfficialDirections:
    """The procedure with a pipeline's networks; used as `OfficialProcedure`.

    Args:
        pipeline: a model of the engine `directions` for 256 px with the face reader "deca", in float32.

    Raises:
        ValueError: if the pipeline cannot follow the procedure.
    """

    def __init__(self, pipeline: DiffusionActPipeline):
        _check_pipeline(pipeline)
        self.pipeline, self.engine = pipeline, pipeline.engine
        self.networks = pipeline.face_reader.networks

    @torch.no_grad()
    def encode_source(
        self, image: Tensor, num_tuning_steps: int | None = None, on_step: StepCallback | None = None
    ) -> SourceCodes:
        """Cut a source uint8 (H, W, 3), invert it, and tune the generator to it.

        Args:
            image: any size.
            num_tuning_steps: None tunes nothing; the official script takes 200 unless it is told otherwise.
            on_step: called after every step of the tuning with (done, total).

        Raises:
            NoFaceFoundError: if no face is found, in the image or in its crop.
        """
        check_frames("source", image[None])
        aligned = self.align(image, "the source")
        pose = self._pose(aligned.face.coefficients, aligned.face)
        codes = self.engine.encode(AlignedSource(aligned.image, pose), num_tuning_steps, on_step)
        return SourceCodes(aligned.image, aligned.crop, pose.coefficients, pose.frame, pose.gaze, codes)

    def stream(
        self, source: SourceCodes, driving: Iterable[Tensor], num_inference_steps: int | None = None
    ) -> Iterator[ReenactedFrame]:
        """Reenact frame by frame, each as if it were the only one.

        Args:
            source: from `encode_source`.
            driving: uint8 (H, W, 3) frames.
            num_inference_steps: without effect, as nothing is sampled.

        Raises:
            NoFaceFoundError: if a frame shows no face.
        """
        for index, frame in enumerate(driving):
            check_frames("driving", frame[None])
            yield self._reenact(source, frame, f"driving frame {index + 1}")

    @torch.no_grad()
    def align(self, image: Tensor, whose: str) -> AlignedFace:
        """Resize, find, cut, find again, measure.

        Args:
            image: uint8 (H, W, 3).
            whose: name of the image in messages.
        """
        device = self.pipeline.face_device
        wide = resize_by_area(image, FIRST_WIDTH)
        cut, crop = square_crop(wide, self._first_landmarks(wide.to(device), whose)[0], FRAME_SIZE)
        aligned = cut.to(device).movedim(-1, 0)[None].float() / MAX_LEVEL * 2.0 - 1.0
        landmarks = self._second_landmarks(aligned, whose)
        codes = self.networks.deca_encoder(crop_for_deca(aligned, landmarks))
        face = MeasuredFace(landmarks, codes.coefficients(), landmarks.new_zeros(1, 2))
        to_wide = resize_transform(tuple(image.shape[:2]), tuple(wide.shape[:2]))
        to_crop = CropTransform(compose_transforms(crop.matrix, to_wide).to(device), FRAME_SIZE)
        return AlignedFace(aligned.to(self.pipeline.device), to_crop, face)

    @torch.no_grad()
    def _reenact(self, source: SourceCodes, frame: Tensor, whose: str) -> ReenactedFrame:
        driver = self.align(frame, whose).face
        pose = self._pose(recombine(self.networks.flame, source.coefficients, driver.coefficients), driver)
        conditioning = Conditioning(self.engine.condition(source, pose))
        return ReenactedFrame(self.engine.render(source, conditioning, Sampling()), pose)

    def _first_landmarks(self, wide: Tensor, whose: str) -> Tensor:
        """(1, 68, 2) px of the image that was resized, uint8 (H, W, 3)."""
        levels = wide.movedim(-1, 0)[None].float()
        # Every face above the score is read and replaces the one before; they come best score first.
        return self._landmarks(levels, levels, FIRST_SCORE, -1, whose)

    def _second_landmarks(self, aligned: Tensor, whose: str) -> Tensor:
        """(1, 68, 2) px of the crop (1, 3, 256, 256) in [-1, 1]."""
        levels = to_official_levels(aligned)
        seen = levels.flip(1) - levels.new_tensor(DETECTOR_MEANS)[:, None, None]
        return self._landmarks(levels, seen, FACE_SCORE, 0, f"the crop of {whose}")

    def _landmarks(self, levels: Tensor, seen: Tensor, score: float, row: int, whose: str) -> Tensor:
        boxes = self.networks.detector.detect(seen, score)[0].boxes
        if not len(boxes):
            raise NoFaceFoundError(
                f"No face found in {whose} with a score above {score}, as the official procedure asks for. Crop the "
                "image closer to the face, or leave out --exact."
            )
        square = FaceSquare.around(boxes[row])
        crop = crop_for_landmarks(levels[0], square, antialias=False) / MAX_LEVEL
        return landmarks_from_heatmaps(self.networks.landmark_net(crop[None]), [square]).to(levels.device)

    def _pose(self, coefficients: FaceCoefficients, face: MeasuredFace) -> FacePose:
        """Landmarks drawn in the square crop."""
        frame = CropTransform(invert_transform(crop_frame_transform(face.landmarks).matrix), FRAME_SIZE)
        found = torch.ones(1, dtype=torch.bool, device=face.gaze.device)
        return face_pose(self.networks.flame, coefficients, face.gaze, found, frame)


def _check_pipeline(pipeline: DiffusionActPipeline) -> None:
    """Raise ValueError unless engine, face reader and number format are the official ones."""
    generator = getattr(pipeline.engine, "generator", None)
    received = {
        "the engine": (pipeline.engine.name, DIRECTIONS),
        "the face reader": (pipeline.face_reader.name, DecaFaceReader.name),
        "an image side of": (pipeline.sample_size, FRAME_SIZE),
        "a generator in": (getattr(generator, "dtype", None), torch.float32),
    }
    for what, (value, wanted) in received.items():
        if value != wanted:
            raise ValueError(
                f"Expected {what} {wanted} for the exact procedure, received {value}. Use the model 'directions' with "
                "the face reader 'deca' in float32, or leave out --exact."
            )
