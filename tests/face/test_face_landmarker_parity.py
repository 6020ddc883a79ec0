"""The bundled landmarker against the `mediapipe` package, on a few frames of each sample clip."""

import pytest
import torch

from benchmarks.face_tracker_parity import ReferenceLandmarker, measure, read_clip
from diffusionact.face.landmarker import FaceLandmarker

CLIPS = ("ltxv_text_to_video-1", "video_ltx2_3_id_lora-1", "video_ltx2_i2v-1", "wan2.1_fun_control-2")
NUM_FRAMES = 3


@pytest.fixture(scope="module")
def landmarkers(shared_dir):
    pytest.importorskip("mediapipe", reason="mediapipe is absent")
    reference = ReferenceLandmarker(shared_dir / "samples" / "face_landmarker.task")
    yield reference, FaceLandmarker()
    reference.landmarker.close()


@pytest.mark.parametrize("clip", CLIPS)
def test_faces_points_blendshapes_and_turn_agree_with_mediapipe(clip, shared_dir, landmarkers):
    frames = read_clip(shared_dir / "samples" / f"{clip}.webp")
    with torch.inference_mode():
        parity = measure(frames[:: len(frames) // NUM_FRAMES], *landmarkers)
    assert parity.same_faces == parity.frames
    assert parity.landmarks_mean_px < 0.5
    assert parity.blendshapes_mean < 0.02
    assert parity.rotation_mean_deg < 1.0
