"""A changed crop of a source: shown before it is encoded, and laid back into the photo where it came from."""

import pytest
import torch

from diffusionact import DiffusionActPipeline, PoseOptions
from diffusionact.face.geometry.crop_change import CropChange
from diffusionact.generation import Sampling
from diffusionact.generation.warp import WarpConfig, WarpEngine
from diffusionact.generation.whole_photo import WholePhoto
from diffusionact.pipelines.crop_preview import crop_preview

CHANGE = CropChange(scale=1.25, up=-0.1, rotate=20.0)


@pytest.fixture(scope="module")
def pipeline():
    return DiffusionActPipeline(WarpEngine(WarpConfig(sample_size=128)).without_matte())


def test_the_preview_shows_the_square_on_the_photo(pipeline, portrait):
    plain, changed = (crop_preview(pipeline.face_reader, portrait, change=part) for part in (CropChange(), CHANGE))
    assert plain.photo.shape == portrait.shape and changed.crop.shape == (512, 512, 3)
    assert not torch.equal(plain.photo, changed.photo)
    assert changed.side_by_side().shape == (256, 512, 3)
    dark = (changed.photo.float() < 0.6 * portrait.float()).all(-1)
    assert 0.05 < float(dark.float().mean()) < 0.8 and not bool(dark[128, 128])


def test_a_driven_photo_is_the_same_whatever_its_crop(pipeline, portrait):
    frames = []
    for change in (CropChange(), CHANGE):
        source = pipeline.encode_source(portrait, crop_change=change)
        driving = [portrait, portrait.flip(1)]
        pose = pipeline.extract_pose(driving, source, PoseOptions(smoothing=0.0, turn_limit=180.0))
        whole = WholePhoto(pipeline.engine, source, portrait)
        frames.append(whole.finish(whole.render(pose)[1:]).float())
        assert pipeline.engine.render(source, pipeline.reenact(source, pose), Sampling()).shape == (2, 3, 128, 128)
    moved = (frames[0] - portrait.float()).abs()[40:170, 60:190].mean()
    apart = (frames[0] - frames[1]).abs()[40:170, 60:190].mean()
    assert moved > 4 and apart < 0.35 * moved
