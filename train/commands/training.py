"""The command line of training: read the config, set up logs and processes, run the loop."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import yaml
from accelerate import Accelerator, DistributedDataParallelKwargs, DistributedType, InitProcessGroupKwargs
from accelerate.utils import set_seed
from filelock import FileLock, Timeout

from ..configs import TrainingConfig, dump_config, load_config
from ..data.frames import Frames
from ..loop import NonFiniteLossError, TrainingLoop
from ..loop.checkpoints import find_checkpoint, list_checkpoints, recover, set_later_aside
from ..loop.loggers import check_loggers, start_loggers
from ..publish import make_repository, publish
from ..stages import STAGES

logger = logging.getLogger(__name__)

LOCK_FILE = ".lock"
# What a user can cause: told in one message. Anything else is an error of ours and shows where it happened.
USER_ERRORS = (ValueError, OSError, ModuleNotFoundError, NonFiniteLossError, yaml.YAMLError)
# What the writers of safetensors and of torch's own files say of a full disk, in errors of no class for it.
FULL_DISK = ("No space left on device", "inline_container.cc", "PytorchStreamWriter failed")
MAX_WAIT = timedelta(hours=6)  # of processes for the main one, which decodes new shards and validates alone


def build_parser() -> argparse.ArgumentParser:
    """The arguments of `train.py`."""
    parser = argparse.ArgumentParser(prog="train.py", description="Train one stage.")
    parser.add_argument("--config", required=True, help="YAML file of the stage")
    parser.add_argument(
        "--override",
        nargs="*",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="such as loop.batch_size=8 seed=1; may be given several times",
    )
    parser.add_argument(
        "--resume",
        metavar="CHECKPOINT",
        help="'latest', which begins anew where there is none yet, or a name such as step-0001000",
    )
    parser.add_argument("--report_to", nargs="+", metavar="LOGGER", help="tensorboard, wandb, trackio: loop.trackers")
    parser.add_argument("--push_to_hub", metavar="REPOSITORY", help="publish the model at the end: hub.repository")
    parser.add_argument("--dry_run", action="store_true", help="write the resolved config to the run folder and stop")
    return parser


def run() -> int:
    """The program: exit status 0, 1 when interrupted, or 2 for what the user can correct, told in one message."""
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted; continue with --resume latest", file=sys.stderr)
        return 1
    except torch.cuda.OutOfMemoryError as error:
        print(
            f"error: Expected a batch that fits into the GPU, received: {str(error).splitlines()[0]} Lower "
            "loop.batch_size and raise loop.accumulation_steps, or set loop.gradient_checkpointing=true or "
            "optimiser.name=adamw8bit.",
            file=sys.stderr,
        )
        return 2
    except Exception as error:
        if (message := explanation(error)) is None:
            raise
        logger.debug("stopped", exc_info=True)  # to train.log only
        print(f"error: {message}", file=sys.stderr)
        return 2
    return 0


def explanation(error: Exception) -> str | None:
    """What a user can do about an error; None for an error of ours."""
    if any(words in str(error) for words in FULL_DISK):
        return (
            f"Expected room for what training writes, received a full disk ({str(error)[:200]}). Free some, and "
            "continue with --resume latest: complete checkpoints are kept."
        )
    return str(error) if isinstance(error, USER_ERRORS) else None


def main(arguments: list[str] | None = None) -> None:
    """Run training as told on the command line."""
    options = build_parser().parse_args(arguments)
    overrides = list(options.override)
    if options.report_to:
        overrides.append(f"loop.trackers=[{','.join(options.report_to)}]")
    if options.push_to_hub:
        overrides.append(f"hub.repository={options.push_to_hub}")
    config = load_config(options.config, overrides, {name: stage.Settings for name, stage in STAGES.items()})
    check_launcher()
    check_loggers(config.loop.trackers)
    if options.dry_run:
        write_config(config, Path(config.run_folder))
        return
    train(config, options.resume)


def check_launcher() -> None:
    """Raise ValueError where several processes were asked for and one was started.

    `accelerate launch --cpu --num_processes 2` sets up the exchange but starts the others through MPI only.
    """
    if "MASTER_PORT" in os.environ and "RANK" not in os.environ:
        raise ValueError(
            "Expected as many processes as were asked for, received one: accelerate launches several CPU processes "
            "through MPI only. Use `torchrun --standalone --nproc_per_node 2 train/train.py ...` instead."
        )


def train(config: TrainingConfig, resume: str | None = None) -> None:
    """Run one stage to its end, in this process or in all that `accelerate launch` started.

    Args:
        config: of the run.
        resume: "latest" or the name of a checkpoint to go on from; None begins anew.
    """
    run_folder = Path(config.run_folder)
    accelerator = Accelerator(
        mixed_precision=config.loop.mixed_precision,
        cpu=config.loop.cpu,
        project_dir=config.run_folder,
        kwargs_handlers=[
            DistributedDataParallelKwargs(gradient_as_bucket_view=True),
            InitProcessGroupKwargs(timeout=MAX_WAIT),
        ],
    )
    check_precision(config, accelerator.device)
    check_distribution(accelerator.distributed_type)
    with run_folder_held(run_folder, accelerator.is_main_process):
        with accelerator.main_process_first():
            checkpoint = choose_checkpoint(run_folder, resume, accelerator.is_main_process)
        if accelerator.is_main_process:
            if config.hub.repository:
                make_repository(config.hub.repository, config.hub.private)
            write_config(config, run_folder)
        set_up_logging(run_folder, accelerator.is_main_process)
        if resume and checkpoint is None:
            logger.info("no checkpoint in %s yet: training begins", run_folder)
        train_stage(config, accelerator, checkpoint)


def train_stage(config: TrainingConfig, accelerator: Accelerator, checkpoint: Path | None) -> None:
    """Build the stage and run the loop over it, from a checkpoint if there is one."""
    set_seed(config.seed)
    with accelerator.main_process_first():
        data = config.data
        frames = Frames(data.folder, data.sample_size, data.validation_every, accelerator.is_main_process, data.cache)
    logger.info("%d training frames, %d held out", len(frames.training), len(frames.validation))
    stage = STAGES[config.stage](
        config, frames, accelerator.device, accelerator.num_processes, accelerator.process_index
    )
    loop = TrainingLoop(config, stage, accelerator)
    set_seed(config.seed, device_specific=True)
    if checkpoint is not None:
        loop.resume(checkpoint)
    start_loggers(accelerator, config, loop.progress.step)
    loop.run()
    accelerator.end_training()
    if config.hub.repository and accelerator.is_main_process:
        logger.info("published: %s", publish(loop.model_folder, config.hub.repository, config.hub.private))


def check_distribution(kind: DistributedType) -> None:
    """Raise ValueError where the weights are split over processes: averages and model folder need them whole."""
    if kind == DistributedType.FSDP:
        raise ValueError(
            "Expected whole weights in every process, received FSDP, which splits them: the averaged weights and the "
            "model folder would be parts. Use plain `accelerate launch --num_processes N`, or DeepSpeed's stage 1 or 2."
        )


def check_precision(config: TrainingConfig, device: torch.device) -> None:
    """Raise ValueError for fp16 on a CPU, which has no loss scaling there."""
    if config.loop.mixed_precision == "fp16" and device.type == "cpu":
        raise ValueError(
            "Expected loop.mixed_precision=bf16 or no on a CPU, received fp16. Change it, or train on a GPU "
            "(loop.cpu=false)."
        )


def choose_checkpoint(run_folder: Path, resume: str | None, is_main_process: bool) -> Path | None:
    """Bring the run folder in order after a kill, and find where to go on from.

    Raises:
        FileNotFoundError: if a checkpoint is named that is not there.
        ValueError: if there are checkpoints and none was asked for.
    """
    if is_main_process:
        recover(run_folder)
    if resume is None and list_checkpoints(run_folder):
        raise ValueError(
            f"Expected a run folder without checkpoints, received {str(run_folder)!r}. "
            "Continue with --resume latest or set another run_folder."
        )
    checkpoint = find_checkpoint(run_folder, resume) if resume else None
    if checkpoint is not None and is_main_process:
        set_later_aside(run_folder, checkpoint)
    return checkpoint


@contextmanager
def run_folder_held(run_folder: Path, is_main_process: bool) -> Iterator[None]:
    """Keep a second training out of the run folder; the lock falls with the process, however it ends.

    Raises:
        ValueError: if another training holds it.
    """
    if not is_main_process:
        yield
        return
    run_folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run_folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(
            f"Expected a run folder of its own, received {str(run_folder)!r}, in which another training is at work. "
            "Wait for it, or set another run_folder."
        ) from error
    try:
        yield
    finally:
        lock.release()


def write_config(config: TrainingConfig, run_folder: Path) -> None:
    """Print the resolved config and save it as `config.yaml` in the run folder."""
    run_folder.mkdir(parents=True, exist_ok=True)
    text = dump_config(config)
    temporary = run_folder / f".config.yaml.{os.getpid()}.tmp"  # in a dry run every process is here
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, run_folder / "config.yaml")
    print(text)


class LogFile(logging.FileHandler):
    """A log that a full disk ends in silence: whatever else is written then tells of it, once."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Called by logging where a line could not be written."""


def set_up_logging(run_folder: Path, is_main_process: bool) -> None:
    """Log to the terminal and to `train.log` in the run folder; only errors from the other processes."""
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.INFO)
    handlers: list[logging.Handler] = [terminal]
    if is_main_process:
        handlers.append(LogFile(run_folder / "train.log"))
    level = logging.INFO if is_main_process else logging.ERROR
    logging.basicConfig(format="%(asctime)s %(message)s", level=level, handlers=handlers, force=True)
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    logger.setLevel(logging.DEBUG if is_main_process else logging.ERROR)
