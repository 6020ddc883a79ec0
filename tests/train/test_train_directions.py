"""The stage that trains the matrix A: official half batches, its three phases, and what it leaves, tiny."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from directions_files import write_directions_files
from official_files import TINY, write_all

from diffusionact import DiffusionActPipeline
from diffusionact.conversion.flame_head import flame_from_files
from diffusionact.conversion.importing import import_files
from diffusionact.face.readers.emoca.flame import FlameModel, official_angles
from diffusionact.generation.face_parameters import PARAMETERS, jaw_alone, parameters_of
from diffusionact.losses import eye_loss, identity_loss, mouth_loss, shape_loss
from diffusionact.types import FaceCoefficients
from train.commands import training as command
from train.configs import load_config
from train.data.frames import Frames
from train.stages import STAGES
from train.stages.directions.face_measure import CAMERA, FaceMeasure
from train.stages.directions.single_changes import WHOLE, rotation_of_angles, wanted_change, wanted_face

WEIGHTS = {"identity": 0.0, "perceptual": 0.0}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with the authors' files, and a weights folder with model and face reader."""
    folder = tmp_path_factory.mktemp("train_directions")
    write_directions_files(folder / "files", tiny=True)
    write_all(folder / "files", TINY, ("s3fd", "fan", "flame"), sees=True)
    import_files([folder / "files"], folder / "weights", progress=False)
    return folder


@pytest.fixture
def write_config(files, large_shard_folder, tmp_path):
    """Write the config of a tiny run; keywords go to its settings."""

    def write(name="run", steps=2, rate=1e-3, **settings):
        model = {"model_folder": str(files / "weights/directions"), "face_folder": str(files / "weights/emoca")}
        values = {
            "stage": "train_directions",
            "run_folder": str(tmp_path / name),
            "data": {"folder": str(large_shard_folder), "sample_size": 32, "validation_every": 4},
            "optimiser": {"warm_up_steps": 0, "learning_rate": rate, "schedule": "constant"},
            "loop": {"cpu": True, "mixed_precision": "no", "max_steps": steps, "batch_size": 4, "log_every": 1}
            | {"validate_every": steps, "checkpoint_every": steps, "ema_decay": 0.0, "trackers": []},
            "settings": {**model, "weights": WEIGHTS, "validation_images": 2, **settings},
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.fixture
def make_stage(write_config, large_shard_folder):
    def make(**settings):
        config = load_config(write_config(**settings), [], {name: stage.Settings for name, stage in STAGES.items()})
        return STAGES["train_directions"](config, Frames(large_shard_folder, 32, 4), torch.device("cpu"))

    return make


def coefficients(golden, who):
    pose, expression = golden[f"{who}_pose"], golden[f"{who}_exp"]
    rows = len(pose)
    values = torch.cat([expression, pose[:, 3:]], dim=1)
    # The reference draws angles and poses apart from each other; the angles count.
    rotation = rotation_of_angles(golden[f"{who}_angles"])
    return FaceCoefficients(torch.zeros(rows, 100), values, rotation, torch.zeros(rows, 3), "flame")


def test_half_a_batch_changes_one_parameter_as_officially(golden_fd, compare):
    golden = {name: torch.from_numpy(array) for name, array in np.load(golden_fd / "normalise.npz").items()}
    source, target = coefficients(golden, "source"), coefficients(golden, "target")
    single = torch.cat([torch.full((8,), WHOLE), golden["half_directions"]])
    share = torch.cat([torch.zeros(8), golden["half_uniform"].float()])
    own, other = (parameters_of(face, jaw_alone()) for face in (source, target))
    change = wanted_change(own, other, single, share)
    compare("dp of a half batch", change, golden["shift_half"].numpy(), 1e-5)
    wanted = wanted_face(source, target, single, change)
    compare("half batch, expression", wanted.expression[:, :50], golden["half_target_exp"].numpy(), 1e-5)
    is_angle = (single >= 0) & (single < 3)
    compare("half batch, jaw", wanted.expression[:, 50:], golden["half_target_pose"][:, 3:].numpy(), 1e-5)
    is_other = single >= 3
    assert torch.equal(wanted.rotation[is_other], source.rotation[is_other])
    assert torch.equal(wanted.rotation[:8], target.rotation[:8])
    # Angles exactly, where the official conversion is only near.
    reached = parameters_of(wanted, jaw_alone())
    torch.testing.assert_close(reached[is_angle], (own + change)[is_angle], atol=1e-3, rtol=0)


@pytest.fixture(scope="module")
def official_measure(golden_dir):
    """What measures a face, with the reference's synthetic head and without what reads images."""
    asset = np.load(golden_dir / "flame_asset.npz")
    return FaceMeasure(SimpleNamespace(flame=FlameModel.from_state(flame_from_files(asset, asset))))


@pytest.mark.parametrize("objective", ["unpaired", "paired"])
def test_face_terms_of_whole_objectives_are_official(golden_fd, official_measure, compare, objective):
    golden = {name: torch.from_numpy(array) for name, array in np.load(golden_fd / "losses.npz").items()}
    official = json.loads((golden_fd / "losses.json").read_text())
    source, target, reenacted = (golden_face(golden, who) for who in ("source", "target", "reenacted"))
    # Of two rows, the first takes the target's whole face, the second changes the first expression alone.
    single = (
        torch.tensor([WHOLE, PARAMETERS.index("expression_0")]) if objective == "unpaired" else torch.full((2,), WHOLE)
    )
    wanted = official_measure.wanted(source, target, single, golden["shift_vector"], objective == "paired")
    seen, truth = official_measure.points(reenacted), official_measure.points(wanted)
    terms = {
        "shape": shape_loss(seen.vertices, truth.vertices),
        "eye": eye_loss(seen.landmarks, truth.landmarks),
        "mouth": mouth_loss(seen.landmarks, truth.landmarks),
        "identity": 10 * identity_loss(golden["identity_features_x"], golden["identity_features_y"]),
    }
    for name, term in terms.items():
        expected = official[objective][f"loss_{name}"]
        compare(f"{objective} {name}, relative", term / expected, np.array(1.0, dtype=np.float32), 1e-5)


def test_points_at_the_fixed_camera_are_the_official_ones(golden_fd, official_measure, compare):
    golden = {name: torch.from_numpy(array) for name, array in np.load(golden_fd / "losses.npz").items()}
    source, target = golden_face(golden, "source"), golden_face(golden, "target")
    points = official_measure.points(replace(source, expression=target.expression, rotation=target.rotation))
    compare("vertices at the fixed camera, px", points.vertices[:, ::5], golden["decoded_verts_s5"].numpy(), 1e-3)
    compare("landmarks at the fixed camera, px", points.landmarks, golden["decoded_landmarks2d"].numpy(), 1e-3)


def golden_face(golden, who):
    pose, expression = golden[f"{who}_pose"], golden[f"{who}_alpha_exp"]
    values = torch.cat([expression, pose[:, 3:]], dim=1)
    camera = torch.tensor(CAMERA).expand(len(pose), 3)
    return FaceCoefficients(golden[f"{who}_alpha_shp"], values, pose[:, :3], camera, "flame")


def test_angles_and_rotations_are_inverse():
    angles = torch.tensor([[20.0, -10.0, 5.0], [-60.0, 30.0, -40.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(official_angles(rotation_of_angles(angles)), angles, atol=1e-3, rtol=0)


def test_eyes_and_mouth_are_compared_by_their_extents():
    rest = torch.zeros(1, 68, 2)
    moved = rest + 5.0
    assert eye_loss(moved, rest) == 0 and mouth_loss(moved, rest) == 0
    opened = rest.clone()
    opened[0, 37, 1] = 6.0  # one of six pairs, one of two axes
    assert eye_loss(opened, rest).item() == pytest.approx(6 / 12)
    opened[0, 62, 1] = 10.0
    assert mouth_loss(opened, rest).item() == pytest.approx(10 / 20)


@pytest.mark.parametrize("phase", ["synthetic", "real_synthetic", "paired"])
def test_a_phase_has_its_own_sources(make_stage, phase):
    stage = make_stage(phase=phase)
    batch = stage.batch(0)
    real = stage.images("image", stage.pairs.order.batch(0))
    is_real = [torch.equal(image, frame) for image, frame in zip(batch["source"], real, strict=True)]
    expected = {"synthetic": [False] * 4, "real_synthetic": [True, True, False, False], "paired": [True] * 4}
    assert is_real == expected[phase]
    assert batch["single"][:2].tolist() == [WHOLE] * 2
    assert all((0 <= k < len(PARAMETERS)) != (phase == "paired") for k in batch["single"][2:].tolist())
    again = stage.batch(0)
    assert all(torch.equal(again[name], value) for name, value in batch.items())


@pytest.mark.slow
def test_only_the_matrix_learns_and_it_does(make_stage):
    stage = make_stage()
    batch = stage.batch(0)
    optimiser = torch.optim.Adam(stage.objective.parameters(), lr=1e-2)
    losses = []
    for _ in range(4):
        loss, terms = stage.objective(**batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert set(terms) == {"found", "shape", "eye", "mouth"} and terms["found"] > 0
    assert losses[-1] < losses[0]
    assert [name for name, _ in stage.objective.named_parameters()] == [
        "directions.linear.weight",
        "directions.linear.bias",
    ]


@pytest.mark.slow
def test_the_stage_leaves_a_model_that_reenacts(write_config, tmp_path, files, portrait):
    AcceleratorState._reset_state(reset_partial_state=True)
    command.main(["--config", str(write_config(phase="paired", fresh=False))])
    pipeline = DiffusionActPipeline.from_pretrained(tmp_path / "run/model")
    before = DiffusionActPipeline.from_pretrained(files / "weights/directions")
    assert not torch.equal(pipeline.directions.linear.weight, before.directions.linear.weight)
    assert torch.equal(pipeline.mean_latent, before.mean_latent)
    assert json.loads((tmp_path / "run/model/model_index.json").read_text())["diffusionact"]["engine"] == "directions"
    source = pipeline.encode_source(portrait)
    assert next(pipeline.stream(source, portrait[None])).image.shape == (1, 3, 32, 32)
    assert list((tmp_path / "run/images").glob("*.png"))
