"""The authors' files of "Finding Directions" into the weights folder: recognised, complete, and a model that works."""

import shutil

import pytest
import torch
from directions_files import DECA_NAME, ENCODER_NAME, GENERATOR_NAME, MATRIX_NAME, write_directions_files
from official_files import TINY, write_all

from diffusionact import DiffusionActPipeline
from diffusionact.conversion.importing import import_files
from diffusionact.generation.face_parameters import jaw_alone
from diffusionact.weights.provenance import read_provenance, sha256_of_model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The four files at tiny size; do not write into it."""
    folder = tmp_path_factory.mktemp("directions_files")
    write_directions_files(folder, tiny=True)
    return folder


@pytest.fixture
def bring(tmp_path):
    """Import into a weights folder; returns (status, what) -> result."""

    def run(*paths, **options):
        outcomes = import_files(paths, tmp_path / "weights", progress=False, **options)
        return {(outcome.status, outcome.what): outcome.result for outcome in outcomes}

    return run


@pytest.fixture
def changed(files, tmp_path):
    """Copies the files with a change to the content of one; returns the copies' folder."""

    def change(name, how):
        folder = shutil.copytree(files, tmp_path / "changed", dirs_exist_ok=True)
        content = torch.load(folder / name, weights_only=False)
        how(content)
        torch.save(content, folder / name)
        return folder

    return change


def test_the_files_become_a_model_that_reenacts(files, bring, tmp_path, monkeypatch, portrait):
    outcomes = bring(files)
    assert {what for status, what in outcomes if status == "imported"} == {"directions", "deca"}
    assert not [what for status, what in outcomes if status == "failed"]
    assert "moves head and jaw only" in outcomes["imported", "directions"]
    monkeypatch.setenv("DIFFUSIONACT_WEIGHTS", str(tmp_path / "weights"))
    pipeline = DiffusionActPipeline.from_pretrained("directions")
    state = torch.load(files / GENERATOR_NAME, weights_only=False)["g_ema"]
    assert torch.equal(pipeline.generator.layers[3].convolution.weight, state["convs.2.conv.weight"][0])
    assert torch.equal(pipeline.generator.layers[6].noise, state["noises.noise_6"])
    assert torch.equal(pipeline.engine.components.of_named_values, jaw_alone())
    torch.testing.assert_close(pipeline.mean_latent, pipeline.generator.sampled_mean_latent())
    source = pipeline.encode_source(portrait)
    assert next(pipeline.stream(source, portrait[None])).image.shape == (1, 3, 32, 32)


def test_provenance_names_all_three_files(files, bring, tmp_path):
    bring(files)
    provenance = read_provenance(tmp_path / "weights" / "directions")
    assert provenance.source == f"{GENERATOR_NAME} + {ENCODER_NAME} + {MATRIX_NAME}"
    assert provenance.content_sha256 == sha256_of_model(tmp_path / "weights" / "directions")
    assert "--overwrite replaces it" in bring(files)["kept", "directions"]


def test_with_flame_the_open_reader_moves_expressions(files, bring, tmp_path):
    write_all(tmp_path / "others", TINY, ("flame",))
    outcomes = bring(files, tmp_path / "others")
    assert "moves expressions too" in outcomes["imported", "directions"]
    engine = DiffusionActPipeline.from_pretrained(tmp_path / "weights" / "directions").engine
    assert (engine.components.of_named_values != 0).sum() > 52


def test_one_file_alone_is_not_enough(files, bring):
    outcomes = bring(files / GENERATOR_NAME)
    assert f"Expected {ENCODER_NAME}, {MATRIX_NAME} in the same import" in outcomes["failed", "directions"]


def _drop(part, key):
    return lambda content: content[part].pop(key)


@pytest.mark.parametrize(
    "name, change, message",
    [
        (GENERATOR_NAME, _drop("g_ema", "noises.noise_3"), "without noises.noise_3"),
        (GENERATOR_NAME, _drop("g_ema", "to_rgbs.1.bias"), "missing to_rgbs.1.bias"),
        (GENERATOR_NAME, lambda content: content["g_ema"].update(other=torch.zeros(1)), "unknown other"),
        (ENCODER_NAME, _drop("e", "body.3.res_layer.4.running_var"), "missing body.3.res_layer.4.running_var"),
        (ENCODER_NAME, lambda content: content["e"]["styles.1.linear.bias"].fill_(torch.nan), "finite"),
        (MATRIX_NAME, lambda content: content.update(w_plus=False), "'w_plus': False"),
        (MATRIX_NAME, lambda content: content.update(num_layers_shift=8), "directions for 8 x 8"),
    ],
    ids=["noise map", "layer", "unknown", "encoder", "NaN", "one code", "other sizes"],
)
def test_files_that_are_not_whole_are_rejected(changed, bring, tmp_path, name, change, message):
    outcomes = bring(changed(name, change))
    assert message in outcomes["failed", "directions"]
    assert not (tmp_path / "weights" / "directions").exists()


def test_decas_encoder_must_be_complete(changed, bring):
    outcomes = bring(changed(DECA_NAME, _drop("E_flame", "layers.2.bias")))
    assert "do not fit" in outcomes["failed", "deca"]
