"""The training configuration."""

import pytest
import yaml

from train import command
from train.config import dump_config, load_config
from train.stages import STAGES

SETTINGS = {name: stage.Settings for name, stage in STAGES.items()}


@pytest.mark.parametrize("override", ["loop.batchsize=3", "settings.unet.width=3", "speed=3"])
def test_an_unknown_key_is_an_error(write_run, override):
    with pytest.raises(ValueError, match="unknown.*Correct"):
        load_config(write_run(), [override], SETTINGS)


@pytest.mark.parametrize("override", ["loop.batch_size=many", "loop.cpu=1", "optimiser.betas=[0.9]", "loop=3"])
def test_a_value_of_the_wrong_kind_is_an_error(write_run, override):
    with pytest.raises(ValueError, match="Expected"):
        load_config(write_run(), [override], SETTINGS)


def test_a_run_without_an_end_is_an_error(write_run):
    with pytest.raises(ValueError, match="max_steps or loop.max_minutes"):
        load_config(write_run(max_steps=None), [], SETTINGS)


def test_an_unknown_stage_is_an_error(write_run):
    with pytest.raises(ValueError, match="pretrain_diffae"):
        load_config(write_run(stage="pretrain"), [], SETTINGS)


def test_overrides_reach_nested_sections(write_run):
    config = load_config(write_run(), ["settings.unet.time_dim=64", "optimiser.learning_rate=1e-3"], SETTINGS)
    assert config.settings.unet.time_dim == 64
    assert config.optimiser.learning_rate == 1e-3


def test_the_resolved_config_reads_back_as_itself(write_run, tmp_path):
    config = load_config(write_run(), [], SETTINGS)
    (tmp_path / "again.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "again.yaml", [], SETTINGS) == config


def test_a_dry_run_writes_the_resolved_config_and_stops(write_run, tmp_path, capsys):
    command.main(["--config", str(write_run()), "--override", "seed=5", "--dry_run"])
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert written["seed"] == 5 and written["loop"]["ema_decay"] == 0.998
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.yaml"]
    assert "ema_decay: 0.998" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["pretrain_diffae", "pretrain_encoder"])
def test_the_shipped_configs_are_valid(name, request):
    path = request.config.rootpath / "train" / "configs" / f"{name}.yaml"
    assert load_config(path, [], SETTINGS).stage == name
