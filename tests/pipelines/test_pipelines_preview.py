"""Geometry previews of sources that tiny, toy and warp engines encoded, of a real face."""

from dataclasses import replace

import pytest
import torch
from tiny_model import make_tiny_components
from toy_engine import ToyEngine

from diffusionact import DiffusionActPipeline, PoseOptions
from diffusionact.face.pose.editing import PoseEdit, edit_pose, source_pose
from diffusionact.generation.warp import WarpConfig, WarpEngine
from diffusionact.images import resize
from diffusionact.metrics import psnr
from diffusionact.pipelines.preview import GeometryPreview

ENGINES = {"diffusion": make_tiny_components, "toy": ToyEngine, "warp": lambda: WarpEngine(WarpConfig(320))}
SIZE = 192
TURNED = PoseEdit(yaw=20.0, mouth_open=0.8)


@pytest.fixture(scope="module")
def preview():
    return GeometryPreview(SIZE)


@pytest.fixture(scope="module")
def read(preview, portrait):
    return preview.read(portrait)


@pytest.mark.parametrize("name", ENGINES)
def test_a_source_of_any_engine_is_shown_in_its_pose(name, preview, read, portrait):
    pipeline = DiffusionActPipeline(ENGINES[name]())
    encoded = pipeline.encode_source(portrait)
    source = preview.source_of(encoded, portrait)
    shown = preview.edited(source, TURNED)
    assert shown.shape == (1, 3, SIZE, SIZE)
    assert float(psnr(shown, preview.edited(read, TURNED))) > 30, "as if only the photo were known"
    assert float(psnr(shown, preview.edited(source, PoseEdit()))) < 25, "the sliders move it"
    model = pipeline.face_reader.face_model
    pose = edit_pose(model, source_pose(model, encoded), TURNED)
    assert torch.equal(preview.posed(source, pose), shown), "a pose made for the other model moves it alike"


def test_preview_of_a_warp_source_is_its_render_made_small(preview, portrait):
    pipeline = DiffusionActPipeline(WarpEngine(WarpConfig(2 * SIZE)))
    encoded = pipeline.encode_source(portrait)
    source = preview.source_of(encoded, portrait)
    assert source.codes["warp.texture"] is encoded.codes["warp.texture"], "nothing is prepared again"
    model = pipeline.face_reader.face_model
    pose = edit_pose(model, source_pose(model, encoded), TURNED)
    rendered = pipeline.decode(encoded, pipeline.reenact(encoded, pose))
    assert float(psnr(preview.edited(source, TURNED), resize(rendered, SIZE))) > 30


def test_a_source_with_other_parts_is_made_again_from_the_photo(preview, read, portrait):
    older = replace(read, codes={name: part for name, part in read.codes.items() if name != "warp.light"})
    shown = preview.edited(preview.source_of(older, portrait), TURNED)
    assert float(psnr(shown, preview.edited(read, TURNED))) > 30


def test_a_clip_shows_every_second_frame_as_soon_as_it_is_made(preview, read, portrait):
    taken = []

    def driving():
        for index in range(40):
            taken.append(index)
            yield torch.roll(portrait, 2 * index, dims=1)

    frames = preview.clip(read, driving(), PoseOptions(smoothing=0.0), every=2)
    first = next(frames)
    assert first.shape == (1, 3, SIZE, SIZE) and max(taken) < 20
    frames.close()
    driver = [torch.roll(portrait, 2 * index, dims=1) for index in range(5)]
    shown = list(preview.clip(read, driver, PoseOptions(smoothing=0.0)))
    whole = list(preview.clip(read, driver, PoseOptions(smoothing=0.0), every=1))
    assert [len(shown), len(whole)] == [3, 5]
    for some, full in zip(shown, whole[::2], strict=True):
        assert torch.equal(some, full)


def test_what_it_cannot_show_is_rejected_by_name(preview, read, portrait):
    foreign = replace(read.coefficients, face_model="flame")
    assert preview.can_show(read.coefficients) and not preview.can_show(foreign)
    with pytest.raises(ValueError, match="flame"):
        preview.source_of(replace(read, codes={}, coefficients=foreign), portrait)
    with pytest.raises(ValueError, match="every"):
        preview.clip(read, [portrait], every=0)
