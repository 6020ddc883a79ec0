"""Output beyond the engine's own size: of the warp itself, of any other engine, and of the whole photo."""

from dataclasses import replace

import pytest
import torch
from toy_engine import SAMPLE_SIZE, ToyEngine

from diffusionact import DiffusionActPipeline, PoseOptions
from diffusionact.generation.photo_detail import PhotoDetail
from diffusionact.generation.warp import WarpConfig, WarpEngine
from diffusionact.generation.whole_photo import WholePhoto
from diffusionact.images import model_to_uint8, resize, uint8_to_model
from diffusionact.metrics import psnr
from diffusionact.pipelines import SizedOutput
from diffusionact.pipelines.full_resolution import output_side

STILL = PoseOptions(smoothing=0.0)


@pytest.fixture(scope="module")
def photo():
    """NASA's portrait, 512 px, with the suit and the background."""
    data = pytest.importorskip("skimage.data", reason="scikit-image (dev extra) is absent")
    return torch.from_numpy(data.astronaut().copy())


@pytest.fixture(scope="module")
def warp():
    return DiffusionActPipeline(WarpEngine(WarpConfig(sample_size=128)))


@pytest.fixture(scope="module")
def warp_source(warp, photo):
    return warp.encode_source(photo)


@pytest.fixture(scope="module")
def toy():
    return DiffusionActPipeline(ToyEngine())


@pytest.fixture(scope="module")
def toy_source(toy, photo):
    return toy.encode_source(photo)


def first(output, source, driving):
    return next(output.pipeline.stream(source, [driving], STILL))


def first_region(warp, whole, source, driving):
    return next(warp.with_engine(whole.engine).stream(source, [driving], STILL)).image


def sharpness(image):
    return (image[..., 1:] - image[..., :-1]).abs().mean()


def test_source_means_the_side_of_the_crop_in_the_photo(warp, warp_source, toy, toy_source):
    side = output_side(warp_source, "source")
    assert side % 2 == 0 and 150 < side < 200
    assert output_side(toy_source, "source") == side
    # A photo enlarged four times has four times the face, up to the limit.
    crop = replace(warp_source.crop, matrix=warp_source.crop.matrix / 8)
    assert output_side(replace(warp_source, crop=crop), "source") == 1024


def test_the_warp_is_rendered_at_the_wanted_side(warp, warp_source, photo):
    output = SizedOutput(warp, warp_source, photo, 256)
    frame = output.finish(first(output, warp_source, photo))
    small = next(warp.stream(warp_source, [photo], STILL)).image
    assert frame.image.shape == (1, 3, 256, 256) and small.shape == (1, 3, 128, 128)
    assert sharpness(frame.image) > 1.05 * sharpness(torch.nn.functional.interpolate(small, size=256, mode="bicubic"))
    assert float(psnr(resize(frame.image, 128), small)) > 30


def test_any_engine_gets_the_detail_of_the_photo(toy, toy_source, warp, warp_source, photo):
    output = SizedOutput(toy, toy_source, photo, 256)
    raw = first(output, toy_source, photo)
    assert raw.image.shape[-1] == SAMPLE_SIZE
    finished = output.finish(raw).image
    truth = next(SizedOutput(warp, warp_source, photo, 256).pipeline.stream(warp_source, [photo], STILL)).image
    enlarged = torch.nn.functional.interpolate(raw.image, size=256, mode="bicubic").clamp(-1, 1)
    middle = (..., slice(64, 192), slice(64, 192))
    assert float(psnr(finished[middle], truth[middle])) > float(psnr(enlarged[middle], truth[middle])) + 5
    assert float(psnr(resize(finished, SAMPLE_SIZE), raw.image)) > 30, "low frequencies are the engine's"


def test_detail_of_a_clip_equals_that_of_its_frames(toy, toy_source, photo):
    frames = list(toy.stream(toy_source, [photo, photo.roll(3, 1)], STILL))
    detail = PhotoDetail(toy_source, photo, 128)
    poses = toy.extract_pose([photo, photo.roll(3, 1)], toy_source, STILL)
    together = detail.add(torch.cat([frame.image for frame in frames]), poses)
    single = torch.cat([detail.add(frame.image, frame.pose) for frame in frames])
    assert together.shape == (2, 3, 128, 128) and torch.allclose(together, single, atol=1e-5)


def test_the_whole_photo_moves_and_its_border_stays(warp, warp_source, photo):
    whole = WholePhoto(warp.engine, warp_source, photo)
    frame = first_region(warp, whole, warp_source, photo.flip(1))
    finished = whole.finish(frame)
    assert finished.shape == photo.shape and finished.dtype == torch.uint8
    assert torch.equal(finished[-60:], photo[-60:]) and torch.equal(finished[:, :40], photo[:, :40])
    assert (finished[60:200, 150:320].float() - photo[60:200, 150:320]).abs().mean() > 4
    assert whole.aligned(frame).shape == (1, 3, 128, 128)


def test_the_whole_photo_in_its_own_pose_is_the_photo(warp, warp_source, photo):
    whole = WholePhoto(warp.engine, warp_source, photo)
    frame = first_region(warp, whole, warp_source, photo)
    assert float(psnr(uint8_to_model(whole.finish(frame)[None]), uint8_to_model(photo[None]))) > 36
    plain = next(warp.stream(warp_source, [photo], STILL)).image
    assert float(psnr(whole.aligned(frame), plain)) > 28


def test_a_photo_at_another_size_moves_with_its_own_crop(warp, warp_source, photo):
    small = model_to_uint8(resize(uint8_to_model(photo[None]), 256))[0]
    matrix = warp_source.crop.matrix.clone()
    matrix[:, :, 2] += 0.5 * matrix[:, :, :2].sum(-1)  # (x + 0.5) / 2 - 0.5 are the small photo's px
    matrix[:, :, :2] *= 2
    whole = WholePhoto(warp.engine, replace(warp_source, crop=replace(warp_source.crop, matrix=matrix)), small)
    finished = whole.finish(first_region(warp, whole, warp_source, photo))
    assert float(psnr(uint8_to_model(finished[None]), uint8_to_model(small[None]))) > 28


@pytest.mark.parametrize("size", [63, 62, 4096, 301, "large", None])
def test_other_sizes_are_rejected(warp, warp_source, photo, size):
    with pytest.raises(ValueError, match="Expected an output size of 'source'"):
        SizedOutput(warp, warp_source, photo, size)


def test_frames_are_not_shrunk(toy, toy_source, photo):
    pipeline = DiffusionActPipeline(ToyEngine(128))
    with pytest.raises(ValueError, match="at least 128 px"):
        SizedOutput(pipeline, toy_source, photo, 96)


def test_a_source_without_its_photo_is_rejected(toy, toy_source):
    with pytest.raises(ValueError, match="without it. Give the photo"):
        SizedOutput(toy, toy_source, None, 128)


def test_only_the_warp_moves_whole_photos(toy, toy_source, photo):
    with pytest.raises(ValueError, match="engine 'warp'.*received one of another model"):
        WholePhoto(toy.engine, toy_source, photo)


def test_detail_needs_the_open_face_model(toy, toy_source, photo):
    other = replace(toy_source, coefficients=replace(toy_source.coefficients, face_model="flame"))
    with pytest.raises(ValueError, match="'open' for output .*received 'flame'"):
        SizedOutput(toy, other, photo, 128)
