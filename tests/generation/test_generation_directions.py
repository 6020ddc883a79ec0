"""The engine `directions`: the official chain, its doors, saved sources, tuned generators, models as folders."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from directions_rule import load_by_rule, official_state
from official_rule import normal_input
from tiny_directions import make_tiny_directions, make_tiny_directions_model
from torch.func import functional_call

from diffusionact import DiffusionActPipeline
from diffusionact.conversion.directions_names import directions_names, generator_names, inversion_encoder_names
from diffusionact.data.saved_values import load_value, save_value
from diffusionact.generation.directions import DirectionsEngine
from diffusionact.generation.directions_folder import DirectionsComponents, DirectionsConfig, check_fitting
from diffusionact.generation.face_parameters import PARAMETERS, jaw_alone
from diffusionact.generation.generator_tuning import tune_generator, tuned_names
from diffusionact.models import Directions, InversionEncoder, StyleGAN2
from diffusionact.types import SourceCodes


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_directions_model(tmp_path_factory.mktemp("directions") / "model")


@pytest.fixture(scope="module")
def pipeline(model):
    return DiffusionActPipeline.from_pretrained(model)


@pytest.fixture(scope="module")
def source(pipeline, portrait):
    return pipeline.encode_source(portrait)


def test_what_is_promised_to_other_tools_is_there(pipeline):
    assert pipeline.generator.mapping(torch.zeros(2, 16)).shape == (2, 16)
    assert pipeline.generator(torch.zeros(2, 8, 16)).shape == (2, 3, 32, 32)
    assert pipeline.inversion_encoder(torch.zeros(2, 3, 32, 32)).shape == (2, 8, 16)
    assert pipeline.directions(torch.zeros(2, 15)).shape == (2, 4, 16)
    assert pipeline.mean_latent.shape == (1, 16)


def test_a_clip_is_reenacted_frame_by_frame(pipeline, source, portrait):
    clip = torch.stack([portrait, portrait.roll(6, 1), portrait.flip(1)])
    frames = list(pipeline.stream(source, clip, chunk_size=2))
    assert torch.cat([frame.image for frame in frames]).shape == (3, 3, 32, 32)
    alone = list(pipeline.stream(source, clip[:1]))[0]
    torch.testing.assert_close(frames[0].image, alone.image, atol=1e-5, rtol=0)
    assert (frames[0].image - frames[2].image).abs().max() > 1e-3


def test_the_change_is_added_before_truncation(pipeline, source, portrait):
    pose = pipeline.extract_pose(portrait.flip(1)[None], source)
    engine = pipeline.engine
    dw = engine.directions(engine.delta_p(source, pose))
    w_plus = source.codes["w_plus"].clone()
    w_plus[:, :4] += dw
    expected = pipeline.mean_latent + 0.7 * (w_plus - pipeline.mean_latent)
    torch.testing.assert_close(pipeline.reenact(source, pose)["w_plus"], expected)


def test_the_sources_own_pose_still_moves_by_the_bias(pipeline, source):
    own = pipeline.engine.delta_p(source, source)
    assert torch.equal(own, torch.zeros(1, 15))
    assert pipeline.directions(own).abs().max() > 0


def test_single_directions_move_the_source_without_a_driver(pipeline, source):
    moved = pipeline.along(source, {"jaw": torch.tensor([-2.0, 0.0, 2.0]), "yaw": torch.zeros(3)})
    step = moved["w_plus"][2] - moved["w_plus"][1]
    expected = 0.7 * 2.0 * pipeline.directions.linear.weight[:, PARAMETERS.index("jaw")].view(4, 16)
    torch.testing.assert_close(step[:4], expected, atol=1e-5, rtol=0)
    assert not step[4:].any()
    assert pipeline.decode(source, moved).shape == (3, 3, 32, 32)
    with pytest.raises(ValueError, match="'smirk'"):
        pipeline.along(source, {"smirk": torch.zeros(1)})


def test_tuning_draws_the_source_better_and_changes_no_model(pipeline, source, portrait):
    before = {name: value.clone() for name, value in pipeline.generator.state_dict().items()}
    steps = []
    tuned = pipeline.encode_source(portrait, num_inversion_steps=60, on_step=lambda *step: steps.append(step))
    assert steps[-1] == (60, 60) and len(steps) == 60
    assert all(torch.equal(value, before[name]) for name, value in pipeline.generator.state_dict().items())

    def error(codes):
        own = pipeline.fit_pose(codes, pipeline.extract_pose(portrait[None], codes))
        return (pipeline.decode(codes, pipeline.reenact(codes, own)) - codes.image).square().mean()

    assert error(tuned) < 0.9 * error(source)


def test_the_generator_is_tuned_in_inference_mode_too(model, portrait):
    with torch.inference_mode():
        pipeline = DiffusionActPipeline.from_pretrained(model)
        tuned = pipeline.encode_source(portrait, num_inversion_steps=2)
    names = [name for name in tuned.codes if name.startswith("tuned.")]
    before = pipeline.generator.state_dict()
    assert any((tuned.codes[name][0] != before[name.removeprefix("tuned.")]).any() for name in names)


def test_a_tuned_source_survives_its_file(pipeline, portrait, tmp_path):
    tuned = pipeline.encode_source(portrait, num_inversion_steps=1)
    save_value(tuned, tmp_path / "source.safetensors", pipeline.fingerprint)
    loaded = load_value(tmp_path / "source.safetensors", SourceCodes, pipeline.fingerprint)
    pose = pipeline.extract_pose(portrait[None], tuned)
    assert all(torch.equal(loaded.codes[name], code) for name, code in tuned.codes.items())
    images = [pipeline.decode(codes, pipeline.reenact(codes, pose)) for codes in (tuned, loaded)]
    torch.testing.assert_close(*images, atol=1e-5, rtol=0)  # the file has no memory format


def test_the_tuned_weights_are_the_official_ones(golden_fd):
    with torch.device("meta"):
        generator = StyleGAN2()
    ours = {mine: theirs for theirs, mine in generator_names(generator).items()}
    changed = json.loads((golden_fd / "optimise.json").read_text())["changed"]
    assert {ours[name] for name in tuned_names(generator)} == changed.keys()


def official_generator_and_code(golden_fd):
    """The full generator by rule, and the first code of generator.npz, truncated."""
    generator = load_by_rule(
        StyleGAN2(), generator_names, official_state(golden_fd / "manifests.json", "g_ema_voxceleb256")
    )
    with torch.no_grad():
        generator.mean_latent.copy_(generator.mapping(normal_input("input/mean_z", (64, 512))).mean(0))
    codes = torch.from_numpy(np.load(golden_fd / "generator.npz")["w_plus"])
    return generator, generator.truncate(codes[:1], 0.7)


@pytest.mark.slow
def test_three_steps_of_tuning_are_the_official_ones(golden_fd, compare):
    official = json.loads((golden_fd / "optimise.json").read_text())
    golden = np.load(golden_fd / "optimise.npz")
    generator, w_plus = official_generator_and_code(golden_fd)
    image = torch.from_numpy(np.load(golden_fd / "generator.npz")["image0"])
    target = (image + 0.3 * normal_input("input/optimise_noise", (1, 3, 256, 256))).clamp(-1.0, 1.0)
    compare("target of the tuning", target[..., ::4, ::4], golden["target_s4"], 1e-5)
    losses = []
    tuned = tune_generator(
        generator,
        target,
        w_plus,
        3,
        perceptual=lambda drawn, goal: losses.append(F.mse_loss(drawn, goal).item()) or 0.0,
    )
    expected = torch.tensor([mse for _, mse in official["total_and_mse_per_step"]])
    ones = np.ones(3, dtype=np.float32)
    compare("tuning, error before each of three steps, relative", torch.tensor(losses) / expected, ones, 1e-4)
    with torch.no_grad():
        drawn = functional_call(generator, tuned, (w_plus,))
    compare("tuning, image after three steps", drawn[..., ::4, ::4], golden["image_after_3_steps_s4"], 2e-3)


def test_a_perceptual_distance_is_added_where_there_is_one():
    generator = make_tiny_directions().generator
    image, w_plus = torch.zeros(1, 3, 32, 32), torch.zeros(1, 8, 16)
    seen = []

    def distance(drawn, target):
        seen.append(drawn.shape)
        return (drawn - target).abs().mean()

    alone = tune_generator(generator, image, w_plus, 2)
    both = tune_generator(generator, image, w_plus, 2, perceptual=distance)
    assert len(seen) == 2
    assert any((alone[name] - both[name]).abs().max() > 0 for name in alone)


def test_half_precision_is_close(model, source, portrait):
    full = DiffusionActPipeline.from_pretrained(model)
    half = DiffusionActPipeline.from_pretrained(model, dtype=torch.bfloat16)
    pose = full.extract_pose(portrait[None], source)
    images = [each.decode(source, each.reenact(source, pose)) for each in (full, half)]
    torch.testing.assert_close(*images, atol=0.1, rtol=0)
    assert images[1].dtype == torch.float32
    assert torch.equal(full.mean_latent, half.mean_latent)
    half.encode_source(portrait, num_inversion_steps=1)
    assert half.generator.constant.dtype == torch.bfloat16


def test_a_saved_model_is_the_same_model(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "copy")
    copy = DiffusionActPipeline.from_pretrained(tmp_path / "copy")
    assert copy.fingerprint == pipeline.fingerprint
    assert torch.equal(copy.mean_latent, pipeline.mean_latent)


def test_files_of_two_models_are_rejected(tmp_path):
    components = replace(make_tiny_directions(), directions=Directions(15, 9, 16))
    with pytest.raises(ValueError, match=r"8 x 16 .*9 x 16"):
        check_fitting(components, "a folder")
    with pytest.raises(ValueError, match="12 directions"):
        check_fitting(replace(components, directions=Directions(12, 4, 16)), "a folder")


def test_faces_of_another_engine_are_rejected(pipeline, source, portrait):
    other = replace(source, codes={"semantic_code": torch.zeros(1, 4)})
    with pytest.raises(ValueError, match="without w_plus"):
        pipeline.reenact(other, pipeline.extract_pose(portrait[None], source))


@pytest.mark.slow
@torch.inference_mode()
def test_the_whole_chain_is_the_official_one(golden_fd, compare):
    golden = {name: torch.from_numpy(array) for name, array in np.load(golden_fd / "chain.npz").items()}
    manifests = golden_fd / "manifests.json"
    generator = load_by_rule(StyleGAN2(), generator_names, official_state(manifests, "g_ema_voxceleb256"))
    generator.mean_latent.copy_(generator.mapping(normal_input("input/mean_z", (64, 512))).mean(0))
    encoder = load_by_rule(InversionEncoder(), inversion_encoder_names, official_state(manifests, "e4e"))
    matrix = load_by_rule(Directions(), directions_names, official_state(manifests, "A_matrix"))
    engine = DirectionsEngine(DirectionsComponents(generator, encoder, matrix, jaw_alone(), DirectionsConfig()))
    w_plus = engine.inversion_encoder(golden["source_u8"].float() / 255 * 2 - 1)
    compare("chain, W+ of the source", w_plus, golden["w_source"].numpy(), 2e-5)
    latent = engine.truncate(engine.directions.shift(w_plus, golden["delta_p"]))
    compare("chain, latent after truncation", latent, golden["latent_after_truncation"].numpy(), 5e-5)
    compare("chain, image", engine.generator(latent), golden["reenacted"].numpy(), 1e-4)
