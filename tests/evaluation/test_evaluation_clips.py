"""Clips of photos: whose frames count, in which crop, and what their figures are."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from diffusionact.cli import main
from diffusionact.evaluation import FrameSetObserver, ProtocolOptions, Steps, make_protocol
from diffusionact.evaluation.clip_set import (
    ClipFrame,
    list_clips,
    load_clip_set,
    longest_shot,
    nearest_to_front,
    neighbouring,
)
from diffusionact.evaluation.observer import Observer
from diffusionact.evaluation.rendering import Job, Renderer
from diffusionact.evaluation.targets import TargetMaker
from diffusionact.face.geometry.alignment import transform_points
from diffusionact.images import uint8_to_model
from diffusionact.types import CropTransform

CPU = torch.device("cpu")
STEP_PX = 3
UNSURE, EMPTY = 2, 3


def noisy(image: torch.Tensor) -> torch.Tensor:
    """So noisy that the face reader finds the face, with a confidence of 0.67."""
    generator = torch.Generator().manual_seed(0)
    return (image.float() + torch.randn(image.shape, generator=generator) * 40).clamp(0, 255).byte()


def write_clip(path, frames):
    path.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame.numpy()).save(path / f"{number:03d}.png")
    return path


@pytest.fixture(scope="session")
def clips(portrait, tmp_path_factory):
    """A person who moves sideways, unsure and empty frames between; and the same mirrored, as another one."""
    folder = tmp_path_factory.mktemp("clips")
    moved = [portrait.roll(STEP_PX * number, dims=1) for number in range(6)]
    other = [frame.flip(1)[..., [2, 1, 0]] for frame in moved[:5]]
    moved[UNSURE], moved[EMPTY] = noisy(portrait), torch.zeros_like(portrait)
    return [write_clip(folder / "ann", moved), write_clip(folder / "bob", other)]


@pytest.fixture(scope="session")
def frames(clips):
    return load_clip_set(clips, size=128)


def test_unsure_and_empty_frames_are_left_out_and_counted(frames):
    numbers = [int(key.rsplit("_", 1)[1]) for key in frames.keys if key.startswith("ann")]
    assert numbers == [0, 1, 4, 5]
    assert len(frames) == 9 and not frames.is_rendered and frames.has_photos
    assert len(frames.notes) == 1 and frames.notes[0].startswith("Of 11 frames of the clips 2 are left out")


def test_the_source_is_nearest_to_the_front_and_its_crop_stands_still(frames):
    ann = frames.videos[0]
    tilts = frames.head_pose[list(ann.spaced), :2].norm(dim=-1)
    # Turning the crop upright shares tilts out anew between yaw, pitch and roll.
    assert ann.source in ann.spaced and float(tilts[ann.spaced.index(ann.source)] - tilts.min()) < 0.5
    crops = [frames.photo(row).crop.matrix for row in ann.spaced]
    assert all(torch.equal(crop, crops[0]) for crop in crops)
    # The person moves in the crop as she does in the clip.
    scale = float(crops[0][0, :, 0].norm())
    moved = frames.landmarks[ann.spaced[1]].mean(0) - frames.landmarks[ann.spaced[0]].mean(0)
    assert float(moved.norm()) == pytest.approx(STEP_PX * scale, rel=0.25)


def test_photo_and_crop_give_the_image_and_padding_is_known(frames, portrait):
    photo = frames.photo(0)
    assert torch.equal(photo.image, portrait)
    real = frames.real([0])[0, 0]
    corners = torch.tensor([[[0.0, 0.0], [255.0, 255.0]]])
    (left, top), (right, bottom) = transform_points(photo.crop.matrix, corners)[0].tolist()
    inside = torch.zeros(128, 128, dtype=torch.bool)
    inside[max(0, int(np.ceil(top))) : int(bottom) + 1, max(0, int(np.ceil(left))) : int(right) + 1] = True
    assert (real != inside).float().mean() < 0.05, "the crop is turned a little"
    assert torch.equal(frames.scored([0])[0, 0], real), "the crop lies inside of the photo"
    grey = frames.without_padding([0])
    assert torch.equal(grey[0, :, real], frames.images([0])[0, :, real]) and not grey[0, :, ~real].any()


def test_padding_is_not_scored_nor_what_is_blurred_into_it():
    crop = CropTransform(torch.tensor([[[0.5, 0.0, 40.0], [0.0, 0.5, 0.0]]]), 128)
    frame = ClipFrame(None, None, None, crop, (256, 256))
    real, scored = frame.real(128), frame.scored(128)
    assert not real[:, :40].any() and real[:, 40:].all()
    assert not scored[:, :50].any() and scored[20:-20, 60:].all()


def test_protocols_take_the_source_of_each_clip(frames):
    def pairs(name):
        return make_protocol(name, frames, ProtocolOptions(Steps(None, None))).pairs

    for pair, video in zip(pairs("self"), frames.videos, strict=True):
        assert pair.source == video.source and set(pair.driving) == set(video.spaced) - {video.source}
    assert {pair.source for pair in pairs("cross")} == {video.source for video in frames.videos}
    assert all(pair.source not in pair.driving for pair in pairs("temporal"))


def test_a_shot_ends_where_the_face_jumps_or_grows():
    def crops(*positions_and_sides):
        rows = [[[100 / side, 0, -x * 100 / side], [0, 100 / side, 0]] for x, side in positions_and_sides]
        return CropTransform(torch.tensor(rows), 100)

    still = [(0.0, 50.0), (5.0, 50.0), (9.0, 55.0)]
    assert longest_shot([0, 1, 2], crops(*still)) == [0, 1, 2]
    assert longest_shot([0, 1, 2, 3], crops((90.0, 50.0), *still)) == [1, 2, 3]
    assert longest_shot([0, 1, 2, 3], crops(*still, (9.0, 90.0))) == [0, 1, 2]
    assert longest_shot([0, 2], crops(*still)) == [0, 2]


def test_neighbouring_frames_leave_the_source_out_and_have_no_gaps():
    numbers = [0, 1, 2, 3, 5, 6, 7, 8]
    assert neighbouring(numbers, source=1, count=None) == [4, 5, 6, 7]
    assert neighbouring(numbers, source=6, count=3) == [0, 1, 2]
    assert nearest_to_front(torch.tensor([[9.0, 0.0, 0.0], [2.0, -3.0, 40.0], [-5.0, 0.0, 0.0]])) == 1


def test_clips_are_found_in_folders_and_need_names_of_their_own(clips, portrait, tmp_path):
    images = [Image.fromarray(portrait.roll(shift, dims=1).numpy()) for shift in range(2)]
    images[0].save(tmp_path / "moving.webp", save_all=True, append_images=images[1:])
    (tmp_path / "notes.txt").write_text("none")
    assert list_clips([tmp_path, clips[0]]) == [tmp_path / "moving.webp", clips[0]]
    with pytest.raises(ValueError, match="^Expected clips with names of their own, received"):
        list_clips([clips[0], clips[0]])
    with pytest.raises(FileNotFoundError, match="^Expected a clip or a folder of clips, received"):
        list_clips([tmp_path / "absent.mp4"])


def test_clips_without_a_face_are_rejected(tmp_path):
    empty = write_clip(tmp_path / "empty", [torch.zeros(64, 64, 3, dtype=torch.uint8)] * 2)
    with pytest.raises(ValueError, match="^Expected clips that show a face in at least two frames, received 1"):
        load_clip_set([empty])


def test_an_unsure_face_has_no_embedding_to_compare_by_distance(portrait):
    class Distance:
        compared_by = "distance"

        def __call__(self, images, landmarks):
            return images.mean(dim=(2, 3))

    images = uint8_to_model(torch.stack([portrait, noisy(portrait)]))
    seen = Observer(Distance(), CPU).look(images)
    assert seen.found.all() and seen.landmarks.isfinite().all()
    assert seen.embedding[0].isfinite().all() and seen.embedding[1].isnan().all()
    by_cosine = Observer(Distance().__call__, CPU)
    assert by_cosine.compared_by == "cosine" and by_cosine.look(images).embedding.isfinite().all()


class SeeingEngine:
    """Gives the source back, and remembers what it was given; see `Engine`."""

    sample_size, landmark_frame, device = 64, "aligned", CPU

    def __init__(self):
        self.sources, self.rows = [], []

    def encode(self, source, num_inversion_steps=None, on_step=None):
        self.sources.append(source)
        return {"texture": torch.zeros(1, 10 * len(self.sources))}

    def condition(self, source, pose):
        return {"gaze": pose.gaze}

    def render(self, source, conditioning, sampling, on_step=None, on_preview=None):
        self.rows.append(len(source.codes["texture"]))
        return source.image.expand(len(conditioning), -1, -1, -1)


def test_engines_get_the_photo_and_one_source_at_a_time(frames):
    make_target = TargetMaker(frames, FrameSetObserver(frames, None, CPU))
    pairs = make_protocol("self", frames, ProtocolOptions(Steps(None, None))).pairs
    jobs = [
        Job(str(pair), frames.images([pair.source]), make_target(pair), frames.photo(pair.source)) for pair in pairs
    ]
    engine = SeeingEngine()
    renderer = Renderer(engine, "ddim", 2)
    images = renderer.reenact(jobs, Steps(None, None))
    assert [part.shape for part in images] == [(3, 3, 128, 128), (4, 3, 128, 128)]
    assert engine.rows == [1, 1, 1, 1], "codes of one source, for batches of two, one, two and two frames"
    again = renderer.reenact(jobs, Steps(None, None))
    assert len(engine.sources) == 2, "a source is encoded once"
    assert all(torch.equal(*parts) for parts in zip(images, again, strict=True))
    for source, job in zip(engine.sources, jobs, strict=True):
        assert torch.equal(source.photo, job.photo.image) and source.crop.size == 64
        in_photo = transform_points(job.photo.crop.matrix, torch.tensor([[[100.0, 120.0]]])) + 0.5
        in_source = transform_points(source.crop.matrix, torch.tensor([[[100.0, 120.0]]])) + 0.5
        torch.testing.assert_close(in_source, in_photo / 2, atol=1e-3, rtol=0)


@pytest.mark.slow
def test_the_photo_model_is_evaluated_on_clips(clips, tmp_path):
    words = ["evaluate", "--clips", *map(str, clips), "-o", str(tmp_path / "report"), "--model", "photo"]
    words += ["--protocol", "self", "cross", "temporal", "--cross-pairs", "1", "--size", "128", "--device", "cpu"]
    assert main(words) == 0
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    tables = {table["name"]: {row["label"]: row for row in table["rows"]} for table in results["tables"]}
    assert [name for name in tables if "_" not in name] == ["self", "cross", "temporal"]
    assert "self_small" in tables and tables["self_small"]["photo"]["frames"] <= tables["self"]["photo"]["frames"]
    rows = tables["self"]
    assert list(rows) == ["copied source", "warped source", "photo"]
    columns = {"PSNR", "PSNR equal", "PSNR face", "PSNR background", "SSIM", "features", "CSIM", "NME", "sharpness"}
    assert all(columns <= set(row["values"]) for row in rows.values())
    assert rows["photo"]["values"]["PSNR face"] > rows["copied source"]["values"]["PSNR face"] + 1
    assert rows["photo"]["values"]["CSIM"] > 0.7 and rows["photo"]["values"]["sharpness"] > 0.8
    assert tables["cross"]["copied source"]["values"]["CSIM"] == pytest.approx(1, abs=1e-4)
    assert tables["cross"]["copied driver"]["values"]["CSIM"] < 0.9, "mirrored and in other colours"
    assert tables["temporal"]["copied source"]["values"]["flicker"] == 0
    assert any("not a cosine" in note for note in results["notes"])
    assert results["settings"]["identity"]["network"] == "photo"
