"""S3FD: the official outputs, decoding of boxes, suppression, and what happens without a face."""

import pytest
import torch
from official_rule import unit_input

from diffusionact.face.readers.emoca.face_detector import FaceDetector, decode_boxes, suppress_overlaps

BOXES = torch.tensor([[10.0, 10, 50, 50], [12, 10, 52, 50], [100, 100, 180, 180], [10, 10, 50, 30]])
SCORES = torch.tensor([0.9, 0.95, 0.6, 0.7])


@pytest.fixture
def small_detector() -> FaceDetector:
    torch.manual_seed(0)
    return FaceDetector(width=4).eval()


@pytest.mark.slow
def test_scores_and_boxes_agree_with_the_official_network(official_network, golden_of, compare):
    golden, detector = golden_of("face"), official_network("detector")
    outputs = detector(unit_input("input/fan", (1, 3, 256, 256)) * 255)
    for index, (scores, boxes) in enumerate(outputs):
        compare(f"S3FD scores, map {index}", scores[..., ::4, ::4], golden[f"s3fd_{2 * index}_s4"], 1e-5)
        compare(f"S3FD boxes, map {index}", boxes[..., ::4, ::4], golden[f"s3fd_{2 * index + 1}_s4"], 1e-5)


def test_boxes_are_decoded_as_the_official_code_does(golden_of, compare):
    golden = golden_of("face")
    decoded = decode_boxes(torch.from_numpy(golden["box_loc"]), torch.from_numpy(golden["box_prior"]))
    compare("S3FD decoded boxes, px", decoded, golden["box"], 1e-4)


def test_of_overlapping_boxes_the_best_remains():
    # Row 3 covers half of row 0 and of row 1; row 2 lies apart.
    assert suppress_overlaps(BOXES, SCORES).tolist() == [1, 2]
    assert suppress_overlaps(BOXES[2:], SCORES[2:]).tolist() == [1, 0]


def test_overlap_counts_the_pixels_at_both_ends():
    boxes = torch.tensor([[0.0, 0, 1, 1], [1.0, 0, 2, 1]])  # 2 x 2 px each, 2 px in common: 2 / 6
    assert len(suppress_overlaps(boxes, torch.tensor([0.9, 0.8]))) == 1
    apart = torch.tensor([[0.0, 0, 4, 0], [3.0, 0, 7, 0]])  # 5 x 1 px each, 2 px in common: 2 / 8
    assert len(suppress_overlaps(apart, torch.tensor([0.9, 0.8]))) == 2


def test_no_boxes_are_suppressed_to_none():
    assert suppress_overlaps(torch.zeros(0, 4), torch.zeros(0)).tolist() == []


def test_a_cell_with_a_certain_face_becomes_a_box_around_it(small_detector):
    with torch.no_grad():
        for score_head, box_head in zip(small_detector.score_heads, small_detector.box_heads, strict=True):
            for head in (score_head, box_head):
                head.weight.zero_()
                head.bias.zero_()
            score_head.bias[-1] = -20.0
        small_detector.score_heads[4].bias[-1] = 3.0
    found = small_detector.detect(torch.rand(2, 3, 256, 256) * 255)
    assert len(found) == 2
    # Every cell of the map of stride 64 sees a face of 256 px; all but four overlap a better one or are equally good.
    assert found[0].boxes[0].tolist() == [32 - 128, 32 - 128, 32 + 128, 32 + 128]
    assert torch.allclose(found[0].scores, torch.sigmoid(torch.tensor(3.0)).expand(len(found[0])))
    assert not small_detector.detect(torch.rand(1, 3, 256, 256) * 255, threshold=0.99)[0].scores.numel()


def test_every_image_is_judged_on_its_own(small_detector):
    images = torch.rand(3, 3, 96, 128) * 255
    together = small_detector.detect(images, threshold=0.1)
    for index, image in enumerate(images):
        alone = small_detector.detect(image[None], threshold=0.1)[0]
        assert torch.allclose(together[index].boxes, alone.boxes, atol=1e-3)
