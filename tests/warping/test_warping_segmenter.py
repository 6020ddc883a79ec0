"""The bundled person segmenter against its original runtime, and how several looks at a photo become one map."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from diffusionact.images import uint8_to_unit
from diffusionact.warping.segmenter import DATA_FOLDER, PersonSegmenter, combine, cut_out, face_boxes

# NASA's portrait at 64 px and every fourth value of what MediaPipe 0.10.21 (selfie segmentation, general model, with
# the file of the npm package) gave for it, enlarged to 256 px by repeating pixels.
GOLDEN = Path(__file__).with_name("golden_person_segmenter.safetensors")


@pytest.fixture(scope="module")
def segmenter():
    return PersonSegmenter().eval()


@pytest.fixture(scope="module")
def photo(portrait):
    return uint8_to_unit(portrait).permute(2, 0, 1)[None]


@pytest.fixture(scope="module")
def face():
    """Roughly where the face of `portrait` lies, px."""
    angles = torch.arange(36) * (2 * torch.pi / 36)
    return torch.stack([128 + 32 * angles.cos(), 112 + 45 * angles.sin()], dim=-1)


def test_net_gives_the_kept_output_of_the_original_runtime(segmenter):
    golden = load_file(GOLDEN)
    image = uint8_to_unit(golden["image"]).permute(2, 0, 1)[None]
    image = image.repeat_interleave(4, 2).repeat_interleave(4, 3)
    with torch.no_grad():
        probability = segmenter(image)
    assert probability.shape == (1, 1, 256, 256)
    torch.testing.assert_close(probability[0, 0, 1::4, 2::4], golden["probability"], atol=5e-4, rtol=0)
    assert 0.4 < golden["probability"].mean() < 0.6


def test_bundled_net_is_small():
    assert sum(file.stat().st_size for file in DATA_FOLDER.iterdir()) < 300_000


def test_person_is_found_and_the_wall_is_not(segmenter, photo, face):
    probability = segmenter.look(photo, face)
    assert probability.shape == (1, 1, 256, 256)
    assert probability[0, 0, 100:140, 110:150].min() > 0.9
    assert probability[0, 0, :60, 210:250].max() < 0.1


def test_mirrored_photo_gives_the_mirrored_map(segmenter, photo, face):
    mirrored_face = torch.stack([255 - face[:, 0], face[:, 1]], dim=-1)
    expected = segmenter.look(photo, face).flip(-1)
    # A cut's corner is a whole pixel, so the mirrored cut may lie one pixel aside.
    assert (segmenter.look(photo.flip(-1), mirrored_face) - expected).abs().mean() < 0.002
    torch.testing.assert_close(segmenter.look(photo.flip(-1)), segmenter.look(photo).flip(-1), atol=1e-4, rtol=0)


def test_large_photo_is_answered_at_its_proportions(segmenter, photo):
    large = torch.nn.functional.interpolate(photo, (640, 480), mode="bilinear")
    assert segmenter.look(large).shape == (1, 1, 320, 240)


def test_cuts_fit_into_the_photo_or_surround_it(face):
    boxes = face_boxes(face, 256, 256)
    for top, left, height, width in boxes:
        assert height == width
        if height <= 256:
            assert 0 <= top <= 256 - height and 0 <= left <= 256 - width
        else:
            assert top == left == (256 - height) // 2
    assert boxes[0][2] <= 256 < boxes[-1][2]


def test_cut_beyond_the_photo_draws_its_border_out():
    ramp = torch.linspace(0, 1, 64)[None, None, None].expand(1, 3, 64, 64)
    cut = cut_out(ramp, (-32, -32, 128, 128))
    assert cut[..., :60].max() < 0.01
    assert cut[..., -60:].min() > 0.99
    torch.testing.assert_close(cut[0, 0, 128, 64:192], torch.linspace(0, 1, 128), atol=0.02, rtol=0)


def test_cut_that_takes_the_face_for_background_hardly_counts():
    logits = torch.stack([torch.full((1, 8, 8), 3.0), torch.full((1, 8, 8), -4.0)])
    boxes = [(0, 0, 16, 16), (0, 0, 16, 16)]
    even = combine(logits, boxes, (16, 16), (16, 16))
    trusted = combine(logits, boxes, (16, 16), (16, 16), torch.tensor([0.9, 0.01]))
    torch.testing.assert_close(even, torch.full((1, 1, 16, 16), -0.5))
    assert trusted.min() > 2.9


def test_batches_are_rejected_with_what_to_pass(segmenter):
    with pytest.raises(ValueError, match="pass one photo"):
        segmenter.look(torch.zeros(2, 3, 64, 64))
