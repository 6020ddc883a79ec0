"""Any engine can be evaluated: one that turns the source by the wanted roll, and has no network and no x_T."""

import json

import pytest
import torch
import toy_engine
from kornia.geometry import rotate
from tiny_directions import make_tiny_directions_model

from diffusionact.cli import main
from diffusionact.evaluation import FrameSetObserver, Steps, load_frame_set
from diffusionact.evaluation.protocols import RANDOM, Pair
from diffusionact.evaluation.rendering import Abilities, Job, Renderer, rows_of
from diffusionact.evaluation.targets import TargetMaker, named_expression
from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.geometry.alignment import transform_points
from diffusionact.generation import ENGINES, DiffusionEngine, EngineEntry, register_engine

CPU = torch.device("cpu")
STEPS = Steps(None, None)


class TurningEngine:
    """The source as it is, turned by the difference of rolls; see `Engine`."""

    name = fingerprint = "turning"
    sample_size = 32
    presets, modules = {}, ()
    device = CPU

    def __init__(self, landmark_frame="aligned"):
        self.landmark_frame = landmark_frame
        self.poses, self.batches = [], []

    def to(self, device, dtype=None):
        return self

    def encode(self, source, num_inversion_steps=None, on_step=None):
        self.poses.append(source.pose)
        return {"roll": source.pose.head_pose[:, 2]}

    def condition(self, source, pose):
        self.poses.append(pose)
        return {"turn": pose.head_pose[:, 2] - source.codes["roll"]}

    def render(self, source, conditioning, sampling, on_step=None, on_preview=None):
        self.batches.append(len(conditioning))
        return rotate(source.image, conditioning["turn"]).clamp(-1, 1)

    def encode_steps(self, num_inversion_steps=None):
        return 0

    def check_sampling(self, sampling):
        pass

    def steps_per_frame(self, sampling):
        return 1


@pytest.fixture
def frames(data_folder):
    return load_frame_set(data_folder)


@pytest.fixture
def make_target(frames):
    return TargetMaker(frames, FrameSetObserver(frames, None, CPU))


def jobs_of(frames, make_target, pairs):
    return [Job(str(pair), frames.images([pair.source]), make_target(pair)) for pair in pairs]


def pairs_of(frames):
    return [Pair(video.spaced[0], video.spaced[1:], True) for video in frames.videos]


def test_renderer_gives_every_frame_its_own_source_and_pose(frames, make_target):
    jobs = jobs_of(frames, make_target, pairs_of(frames))
    engine = TurningEngine()
    images = Renderer(engine, "ddim", 3).reenact(jobs, STEPS)
    assert [len(part) for part in images] == [2, 2] and engine.batches == [3, 1]
    alone = [Renderer(TurningEngine(), "ddim", 16).reenact([job], STEPS)[0] for job in jobs]
    for together, single in zip(images, alone, strict=True):
        torch.testing.assert_close(together, single)
    assert (images[0][0] - images[1][0]).abs().mean() > 0.05, "two people"


@pytest.mark.parametrize("landmark_frame", ["aligned", "crop224"])
def test_engines_get_poses_in_their_frame_with_fitted_coefficients(frames, make_target, landmark_frame):
    engine = TurningEngine(landmark_frame)
    (pair, _) = pairs_of(frames)
    Renderer(engine, "ddim", 16).reenact(jobs_of(frames, make_target, [pair]), STEPS)
    own, wanted = engine.poses
    assert len(own.landmarks) == 1 and len(wanted.landmarks) == len(pair.driving)
    side = 224 if landmark_frame == "crop224" else engine.sample_size
    for pose in (own, wanted):
        assert pose.frame.size == side and pose.landmarks.min() > -0.1 * side and pose.landmarks.max() < 1.1 * side
        drawn = transform_points(pose.frame.matrix, make_target.face_model.landmarks(pose.coefficients, 256))
        assert (drawn - pose.landmarks).norm(dim=-1).mean() < 0.03 * side
    rows = list(pair.driving)
    assert torch.equal(wanted.head_pose, frames.head_pose[rows]) and torch.equal(wanted.gaze, frames.gaze[rows])
    torch.testing.assert_close(wanted.expression, named_expression(frames, rows))


def test_targets_of_another_person_keep_the_source_shape(frames, make_target):
    first, second = pairs_of(frames)
    target = make_target(Pair(first.source, second.driving, False))
    seen = make_target.observer.look_at_true_frames([first.source, *second.driving])
    own = make_target.face_model.fit(seen.landmarks[:1], seen.expression[:1], seen.head_pose[:1], 256)
    torch.testing.assert_close(target.wanted.coefficients.shape, own.shape.expand(2, -1))
    torch.testing.assert_close(target.wanted.gaze, seen.gaze[1:])
    assert make_target(Pair(first.source, second.driving, False)) is target


def test_unknown_expression_names_are_zero_and_known_ones_in_order(frames):
    names = list(frames.expression_names)
    names[names.index("jawOpen")] = "mine"
    replaced, names[0] = names[0], "jawOpen"
    frames.expression_names = names
    expression = named_expression(frames, [0])
    assert expression[0, EXPRESSION_NAMES.index("jawOpen")] == frames.expression[0, 0]
    assert expression[0, EXPRESSION_NAMES.index(replaced)] == 0
    other = next(name for name in EXPRESSION_NAMES if name not in (replaced, "jawOpen"))
    assert expression[0, EXPRESSION_NAMES.index(other)] == frames.expression[0, names.index(other)]


def test_rows_of_values_may_repeat_and_keep_what_is_no_tensor(frames, make_target):
    pose = make_target(pairs_of(frames)[0]).wanted
    chosen = rows_of(pose, torch.tensor([1, 1, 0]))
    assert torch.equal(chosen.gaze, pose.gaze[[1, 1, 0]]) and chosen.frame.size == pose.frame.size
    assert torch.equal(chosen.coefficients.shape, pose.coefficients.shape[[1, 1, 0]])


def test_noise_is_the_same_in_every_run_and_differs_between_pairs(frames, make_target, tiny_components):
    engine = DiffusionEngine(tiny_components)
    assert Abilities.of(engine) == Abilities(True, True)
    assert Abilities.of(TurningEngine()) == Abilities(False, False)
    first, again, other = engine.random_codes([1, 1, 2])["stochastic_code"]
    assert torch.equal(first, again) and (first - other).abs().mean() > 0.5
    jobs = jobs_of(frames, make_target, pairs_of(frames))
    runs = [Renderer(engine, "ddim", 16).reenact(jobs, Steps(1, RANDOM)) for _ in range(2)]
    assert all(torch.equal(*parts) for parts in zip(*runs, strict=True))


@pytest.mark.slow
def test_a_registered_engine_is_evaluated_without_the_rows_it_lacks(data_folder, tmp_path):
    folder = tmp_path / "turning"
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps({"diffusionact": {"engine": "turning"}}))
    register_engine(EngineEntry("turning", "turns the source", lambda folder, index: TurningEngine()))
    try:
        words = ["evaluate", "--data", str(data_folder), "-o", str(tmp_path / "report"), "--device", "cpu"]
        words += ["--protocol", "self", "inversion_steps", "--inversion-step-values", "2", "--frames-per-video", "2"]
        assert main([*words, "--model", str(folder)]) == 0
    finally:
        del ENGINES["turning"]
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    labels = {table["name"]: [row["label"] for row in table["rows"]] for table in results["tables"]}
    assert labels["self"] == ["copied source", "warped source", "turning"]
    assert labels["inversion_steps"] == ["copied source", "warped source", "T_xT = 2"]
    row = results["tables"][0]["rows"][2]
    assert row["frames"] == 2 and row["values"]["CSIM"] > 0.8, "turned a little, it is the same person"


@pytest.mark.slow
def test_engines_of_another_package_and_directions_are_evaluated(data_folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(toy_engine.install(tmp_path / "packages"))
    model = toy_engine.write_model_folder(tmp_path / "toy")
    try:
        words = ["evaluate", "--data", str(data_folder), "-o", str(tmp_path / "report"), "--device", "cpu"]
        words += ["--protocol", "self", "--frames-per-video", "2", "--model", str(model)]
        assert main([*words, str(make_tiny_directions_model(tmp_path / "directions"))]) == 0
    finally:
        ENGINES.pop(toy_engine.NAME, None)
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    labels = [row["label"] for row in results["tables"][0]["rows"]]
    assert labels[-3:] == ["toy", "directions", "directions, target reconstructed"]
