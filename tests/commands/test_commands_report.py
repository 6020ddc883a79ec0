"""The report where insightface reads the faces: figures of the open lane, and the cosine of its embeddings."""

import pytest
import torch
from tiny_insightface import write_tiny_insightface
from tiny_model import make_tiny_components

from diffusionact.commands.report import ReenactmentReport
from diffusionact.face.readers.insightface import InsightFaceReader
from diffusionact.images import uint8_to_model
from diffusionact.pipelines import DiffusionActPipeline, ReenactedFrame


def test_a_copy_of_the_driver_scores_full_marks(portrait, tmp_path):
    pytest.importorskip("insightface", reason="insightface (the extra of that name) is absent")
    reader = InsightFaceReader(write_tiny_insightface(tmp_path, portrait))
    pipeline = DiffusionActPipeline(make_tiny_components(256), reader)
    source = pipeline.encode_source(portrait, 2)
    pose = pipeline.extract_pose(portrait[None], source)
    report = ReenactmentReport(pipeline, source)
    aligned = uint8_to_model(reader.read_source(portrait, "largest").aligned[None])
    for _ in report.watch(iter([ReenactedFrame(aligned, pose)] * 2)):
        pass
    figures = report.figures(1.0)
    assert figures["tracker"] == "insightface"
    assert figures["arcface_cosine"] == pytest.approx(1.0, abs=1e-3)
    assert figures["identity_cosine"] > 0.9 and figures["landmark_nme_percent"] < 10
    assert torch.isfinite(torch.tensor(report.landmark_errors)).all()
