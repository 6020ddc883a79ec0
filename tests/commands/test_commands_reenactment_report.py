"""The report of a reenactment: figures of what is seen in the frames, by readers with and without embeddings."""

import pytest
import torch
from tiny_insightface import write_tiny_insightface
from tiny_model import make_tiny_components

from diffusionact.commands.reenactment_report import ReenactmentReport
from diffusionact.face.readers.insightface import InsightFaceReader
from diffusionact.face.readers.open.reader import OpenFaceReader
from diffusionact.images import uint8_to_model
from diffusionact.pipelines import DiffusionActPipeline, ReenactedFrame


class ColourReader(OpenFaceReader):
    """Tells people apart by their mean colour."""

    name = "colour"

    def embed_identity(self, image):
        return image.float().mean(dim=(0, 1)) - 128


def same(image):
    return image


def report_of(reader, portrait, changes=(same, same)):
    """The report of frames that show the driver as it is, or changed."""
    pipeline = DiffusionActPipeline(make_tiny_components(256), reader)
    source = pipeline.encode_source(portrait, 2)
    pose = pipeline.extract_pose(portrait[None], source)
    report = ReenactmentReport(pipeline, source)
    aligned = uint8_to_model(reader.read_source(portrait, "largest").aligned[None])
    frames = [ReenactedFrame(change(aligned), pose) for change in changes]
    for frame in frames:
        report.add(frame)
    return report


def test_report_of_copies_of_the_driver_scores_full_marks(portrait):
    report = report_of(OpenFaceReader(), portrait)
    figures = report.figures(0.5)
    assert (figures["tracker"], figures["frames"], figures["frames_with_a_face_in_the_output"]) == ("open", 2, 2)
    assert figures["identity_cosine"] > 0.9 and figures["landmark_nme_percent"] < 10
    assert figures["seconds_per_frame"] == 0.5 and report.seconds > 0
    assert figures["yaw_r"] is None, "nothing moves"
    assert figures["arcface_cosine"] is None, "the reader brings no embedding"


def test_report_compares_the_embeddings_that_a_reader_brings(portrait):
    own = report_of(ColourReader(), portrait).figures(1.0)["arcface_cosine"]
    other = report_of(ColourReader(), portrait, [lambda image: image[:, [2, 0, 1]]]).figures(1.0)["arcface_cosine"]
    assert own == pytest.approx(1.0, abs=1e-3) and other < 0.9 * own


@pytest.mark.parametrize(("changes", "num_faces"), [([same, torch.zeros_like], 1), ([torch.zeros_like] * 2, 0)])
def test_report_counts_output_frames_without_a_face(portrait, changes, num_faces):
    figures = report_of(OpenFaceReader(), portrait, changes).figures(1.0)
    assert (figures["frames"], figures["frames_with_a_face_in_the_output"]) == (2, num_faces)
    assert (figures["landmark_nme_percent"] is None) == (num_faces == 0)


def test_report_of_copies_scores_full_marks_with_insightface(portrait, tmp_path):
    pytest.importorskip("insightface", reason="insightface (the extra of that name) is absent")
    report = report_of(InsightFaceReader(write_tiny_insightface(tmp_path, portrait)), portrait)
    figures = report.figures(1.0)
    assert figures["tracker"] == "insightface"
    assert figures["arcface_cosine"] == pytest.approx(1.0, abs=1e-3)
    assert figures["identity_cosine"] > 0.9 and figures["landmark_nme_percent"] < 10
    assert all(seen.landmarks.isfinite().all() for seen in report.seen)
