"""The training configuration."""

import sys
from pathlib import Path

import pytest
import yaml
from accelerate import DistributedType
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.state import AcceleratorState

from train.commands import training as command
from train.configs import dump_config, load_config
from train.stages import STAGES

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "train" / "configs").glob("*/*.yaml"))
SETTINGS = {name: stage.Settings for name, stage in STAGES.items()}


@pytest.mark.parametrize("override", ["loop.batchsize=3", "settings.unet.width=3", "speed=3"])
def test_an_unknown_key_is_an_error(write_run, override):
    with pytest.raises(ValueError, match="unknown.*Correct"):
        load_config(write_run(), [override], SETTINGS)


@pytest.mark.parametrize(
    "override",
    [
        "loop.batch_size=many",
        "loop.batch_size=true",
        "loop.cpu=1",
        "loop.max_minutes=soon",
        "loop.trackers=tensorboard",
        "optimiser.betas=[0.9]",
        "optimiser.learning_rate=fast",
        "settings.unet.block_out_channels=8",
        "settings.regression.emphasised_names=jawOpen",
        "loop=3",
        "data.cache=some",
        "data.workers=-1",
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error(write_run, override):
    with pytest.raises(ValueError, match=f"Expected {override.split('=')[0]} .*received"):
        load_config(write_run(), [override], SETTINGS)


@pytest.mark.parametrize(
    "override",
    [
        "optimiser.schedule=step",
        "optimiser.name=adam",
        "loop.mixed_precision=fp8",
        "loop.trackers=[board]",
        "loop.batch_size=0",
        "loop.checkpoints_kept=0",
    ],
)
def test_a_value_that_is_no_choice_is_named_with_its_key(write_run, override):
    with pytest.raises(ValueError, match=f"Expected {override.split('=')[0]} .*received"):
        load_config(write_run(), [override], SETTINGS)


def test_the_word_no_needs_no_quotes(write_run):
    assert load_config(write_run(), ["loop.mixed_precision=no"], SETTINGS).loop.mixed_precision == "no"
    file = write_run(mixed_precision="bf16")
    file.write_text(file.read_text().replace("mixed_precision: bf16", "mixed_precision: no"))
    assert load_config(file, [], SETTINGS).loop.mixed_precision == "no"
    with pytest.raises(ValueError, match="Expected loop.mixed_precision to be one of no, bf16, fp16, received True"):
        load_config(file, ["loop.mixed_precision=yes"], SETTINGS)


def test_half_precision_on_a_cpu_is_an_error(write_run):
    AcceleratorState._reset_state(reset_partial_state=True)
    with pytest.raises(ValueError, match="bf16 or no on a CPU"):
        command.main(["--config", str(write_run(mixed_precision="fp16"))])


def test_weights_split_over_processes_are_an_error():
    with pytest.raises(ValueError, match="whole weights.*FSDP"):
        command.check_distribution(DistributedType.FSDP)
    command.check_distribution(DistributedType.MULTI_GPU)


def test_flags_for_loggers_and_hub_are_keys_of_the_config(write_run, tmp_path):
    flags = ["--report_to", "tensorboard", "--push_to_hub", "somebody/face", "--dry_run"]
    command.main(["--config", str(write_run(trackers=[])), *flags])
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert written["loop"]["trackers"] == ["tensorboard"] and written["hub"]["repository"] == "somebody/face"


@pytest.mark.parametrize("content", [b"stage: [", b"stage: \xff", b"stage: {a: 1}", b"stage: \x01"])
def test_a_file_that_is_no_yaml_or_no_stage_is_an_error(tmp_path, content):
    (tmp_path / "run.yaml").write_bytes(content)
    with pytest.raises(ValueError, match="Expected (YAML|stage)"):
        load_config(tmp_path / "run.yaml", [], SETTINGS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "none.yaml"], "where no file lies"),
        (["--config", "CONFIG", "--override", "loop.steps=3"], "unknown"),
        (["--config", "CONFIG", "--override", "data.folder=nowhere", "loop.checkpoint_every=1"], "nowhere"),
        (["--config", "CONFIG", "--override", "loop=[}"], "parsing"),
        (["--config", "CONFIG", "--override", "stage.name=1"], "Expected a section stage"),
        (["--config", "CONFIG", "--override", "loop.max_steps=0"], "loop.max_steps above 0"),
    ],
)
def test_what_a_user_can_correct_ends_with_a_message_and_status_2(write_run, monkeypatch, capsys, arguments, words):
    AcceleratorState._reset_state(reset_partial_state=True)
    config = str(write_run())
    monkeypatch.setattr(sys, "argv", ["train.py", *(config if item == "CONFIG" else item for item in arguments)])
    assert command.run() == 2
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("error: ") or words in said
    assert words in said and "Traceback" not in said


def test_a_run_without_an_end_is_an_error(write_run):
    with pytest.raises(ValueError, match="max_steps or loop.max_minutes"):
        load_config(write_run(max_steps=None), [], SETTINGS)


def test_overrides_given_apart_are_all_used(write_run, tmp_path):
    command.main(["--config", str(write_run()), "--override", "seed=5", "--override", "loop.log_every=7", "--dry_run"])
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (written["seed"], written["loop"]["log_every"]) == (5, 7)


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


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_shipped_configs_are_valid(path):
    assert load_config(path, [], SETTINGS).stage == path.stem


def test_the_launcher_reads_the_file_for_two_machines():
    file = CONFIGS[0].parents[2] / "two_machines.yaml"
    words = ["--config_file", str(file), "--machine_rank", "1", "train/train.py", "--dry_run"]
    options, _, _ = _validate_launch_command(launch_command_parser().parse_args(words))
    assert (options.num_machines, options.num_processes, options.machine_rank) == (2, 8, 1)
    assert options.multi_gpu and not options.use_fsdp and not options.use_deepspeed
    assert (options.main_process_ip, str(options.main_process_port)) == ("10.0.0.1", "29500")
