"""What a job shows at each choice of output: sizes, sharpness, and the whole photo moving."""

import pytest
import torch
from toy_engine import ToyEngine

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
from diffusionact import DiffusionActPipeline, PoseOptions  # noqa: E402
from diffusionact.generation.warp import WarpConfig, WarpEngine  # noqa: E402
from diffusionact.images import save_png  # noqa: E402
from diffusionact_app.composing import Composer  # noqa: E402
from diffusionact_app.shared_model import SharedModel  # noqa: E402

STILL = PoseOptions(smoothing=0.0)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """NASA's portrait, 512 px: (file, uint8)."""
    data = pytest.importorskip("skimage.data", reason="scikit-image (dev extra) is absent")
    image, path = torch.from_numpy(data.astronaut().copy()), tmp_path_factory.mktemp("photo") / "photo.png"
    save_png(path, image)
    return path, image


@pytest.fixture(scope="module")
def warp():
    return DiffusionActPipeline(WarpEngine(WarpConfig(sample_size=128)))


@pytest.fixture(scope="module")
def warp_source(warp, photo):
    return warp.encode_source(photo[1])


def composed(pipeline, source, photo, output, **options):
    """(full frame, side by side) where the mirrored photo drives."""
    driver = photo[1].flip(1)
    composer = Composer(pipeline, source, photo[0], iter([driver]), output, **options)
    return composer(next(composer.pipeline.stream(source, [driver], STILL)))


def test_models_offer_what_they_can(warp):
    assert SharedModel(warp).outputs == ("whole", "model", "source")
    assert SharedModel(DiffusionActPipeline(ToyEngine())).outputs == ("model", "source")


def test_the_whole_photo_moves_and_shows_no_square(warp, warp_source, photo):
    full, side = composed(warp, warp_source, photo, "whole")
    assert full.shape == (512, 512, 3) and side.shape == (256, 768, 3)
    changed = (full.float() - photo[1]).abs().amax(-1)
    assert changed[60:200, 150:300].mean() > 4 and changed[400:].max() == 0


def test_a_large_photo_is_shrunk_and_still_moves(warp, warp_source, photo):
    full, _ = composed(warp, warp_source, photo, "whole", longest_px=256)
    assert full.shape == (256, 256, 3)


@pytest.mark.parametrize("output", ["source", "whole"])
def test_faces_of_another_engine_get_the_photos_resolution(photo, output):
    pipeline = DiffusionActPipeline(ToyEngine())
    source = pipeline.encode_source(photo[1])
    full, side = composed(pipeline, source, photo, output)
    plain, _ = composed(pipeline, source, photo, "model")
    assert full.shape == (512, 512, 3) and side.shape == (256, 768, 3)

    def sharpness(image):
        face = image[60:180, 170:290].float()
        return (face[:, 1:] - face[:, :-1]).abs().mean()

    assert sharpness(full) > 1.2 * sharpness(plain)
