"""The bundled landmarker against the `mediapipe` package: kept outputs everywhere, the package itself where it is."""

import pytest
import torch

from benchmarks.face_tracker_parity import (
    GOLDEN,
    Parity,
    ReferenceLandmarker,
    golden_images,
    measure,
    read_clip,
    read_golden,
)
from diffusionact.face.readers.open.landmarker import FaceLandmarker

REFERENCE_FACES = read_golden()
CLIPS = ("ltxv_text_to_video-1", "video_ltx2_3_id_lora-1", "video_ltx2_i2v-1", "wan2.1_fun_control-2")
NUM_FRAMES = 3


@pytest.fixture(scope="module")
def landmarker():
    return FaceLandmarker()


@pytest.fixture(scope="module")
def images():
    pytest.importorskip("skimage", reason="scikit-image (dev extra) is absent")
    return golden_images()


@pytest.fixture(scope="module")
def reference(shared_dir):
    pytest.importorskip("mediapipe", reason="mediapipe (an extra of its own) is absent")
    reference = ReferenceLandmarker(shared_dir / "samples" / "face_landmarker.task")
    yield reference
    reference.landmarker.close()


def check_agreement(parity: Parity) -> None:
    """Points to half a pixel of a 512 px image, blendshapes to 0.02, the head to a degree, and no other faces."""
    assert parity.same_faces == parity.frames
    assert parity.faces >= parity.frames
    assert parity.landmarks_mean_px <= 0.5
    assert parity.blendshapes_mean <= 0.02
    assert parity.rotation_worst_deg <= 1.0


@pytest.mark.parametrize("name", REFERENCE_FACES)
def test_points_blendshapes_and_turn_agree_with_outputs_of_mediapipe(name, images, landmarker):
    with torch.inference_mode():
        check_agreement(measure([images[name]], [REFERENCE_FACES[name]], landmarker))


def test_kept_outputs_cover_all_golden_images(images):
    assert set(REFERENCE_FACES) == set(images)
    assert GOLDEN.stat().st_size < 200_000


@pytest.mark.parametrize("clip", CLIPS)
def test_faces_points_blendshapes_and_turn_agree_with_mediapipe(clip, shared_dir, reference, landmarker):
    frames = read_clip(shared_dir / "samples" / f"{clip}.webp")
    frames = frames[:: len(frames) // NUM_FRAMES]
    with torch.inference_mode():
        check_agreement(measure(frames, map(reference, frames), landmarker))
