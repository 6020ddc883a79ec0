"""The command line of training: read the config, set up logs and processes, run the loop."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import set_seed

from .checkpoints import find_checkpoint, list_checkpoints
from .config import TrainingConfig, dump_config, load_config
from .data.frames import Frames
from .loop import TrainingLoop
from .stages import STAGES

logger = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """The arguments of `train.py`."""
    parser = argparse.ArgumentParser(prog="train.py", description="Train one stage.")
    parser.add_argument("--config", required=True, help="YAML file of the stage")
    parser.add_argument("--override", nargs="*", default=[], metavar="KEY=VALUE", help="such as loop.batch_size=8")
    parser.add_argument("--resume", metavar="CHECKPOINT", help="'latest' or a name such as step-0001000")
    parser.add_argument("--dry_run", action="store_true", help="write the resolved config to the run folder and stop")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Run training as told on the command line."""
    options = build_parser().parse_args(arguments)
    config = load_config(options.config, options.override, {name: stage.Settings for name, stage in STAGES.items()})
    check_launcher()
    run_folder = Path(config.run_folder)
    if options.dry_run:
        write_config(config, run_folder)
        return
    checkpoint = find_checkpoint(run_folder, options.resume) if options.resume else None
    if checkpoint is None and list_checkpoints(run_folder):
        raise ValueError(
            f"Expected a run folder without checkpoints, received {str(run_folder)!r}. "
            "Continue with --resume latest or set another run_folder."
        )
    train(config, checkpoint)


def check_launcher() -> None:
    """Raise ValueError where several processes were asked for and one was started.

    `accelerate launch --cpu --num_processes 2` sets up the exchange but starts the others through MPI only.
    """
    if "MASTER_PORT" in os.environ and "RANK" not in os.environ:
        raise ValueError(
            "Expected as many processes as were asked for, received one: accelerate launches several CPU processes "
            "through MPI only. Use `torchrun --standalone --nproc_per_node 2 train/train.py ...` instead."
        )


def train(config: TrainingConfig, checkpoint: Path | None = None) -> None:
    """Run one stage to its end, in this process or in all that `accelerate launch` started."""
    accelerator = Accelerator(
        mixed_precision=config.loop.mixed_precision,
        cpu=config.loop.cpu,
        log_with="tensorboard",
        project_dir=config.run_folder,
        kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
    )
    if accelerator.is_main_process:
        write_config(config, Path(config.run_folder))
    set_up_logging(Path(config.run_folder), accelerator.is_main_process)
    accelerator.init_trackers("tensorboard")
    set_seed(config.seed)
    with accelerator.main_process_first():
        frames = Frames(
            config.data.folder, config.data.sample_size, config.data.validation_every, accelerator.is_main_process
        )
    logger.info("%d training frames, %d held out", len(frames.training), len(frames.validation))
    stage = STAGES[config.stage](
        config, frames, accelerator.device, accelerator.num_processes, accelerator.process_index
    )
    loop = TrainingLoop(config, stage, accelerator)
    set_seed(config.seed, device_specific=True)
    if checkpoint is not None:
        loop.resume(checkpoint)
    loop.run()
    accelerator.end_training()


def write_config(config: TrainingConfig, run_folder: Path) -> None:
    """Print the resolved config and save it as `config.yaml` in the run folder."""
    run_folder.mkdir(parents=True, exist_ok=True)
    text = dump_config(config)
    (run_folder / "config.yaml").write_text(text, encoding="utf-8")
    print(text)


def set_up_logging(run_folder: Path, is_main_process: bool) -> None:
    """Log to the terminal and to `train.log` in the run folder; only errors from the other processes."""
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if is_main_process:
        handlers.append(logging.FileHandler(run_folder / "train.log"))
    level = logging.INFO if is_main_process else logging.ERROR
    logging.basicConfig(format="%(asctime)s %(message)s", level=level, handlers=handlers, force=True)
    logging.getLogger("accelerate").setLevel(logging.WARNING)
