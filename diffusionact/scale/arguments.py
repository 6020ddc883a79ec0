"""The options of every command that can run on Ray, and the choice between this process and a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .ray_cluster import LOCAL, run_on_ray
from .tasks import Outcome, Worker, run_in_process


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--ray and --ray-workers."""
    group = parser.add_argument_group("many machines")
    group.add_argument(
        "--ray",
        nargs="?",
        const=LOCAL,
        metavar="ADDRESS",
        help="share the work between workers of a Ray cluster: its address, auto for the one on this machine; without "
        'ADDRESS one is started here (pip install "diffusionact[scale]")',
    )
    group.add_argument(
        "--ray-workers", type=int, metavar="N", help="workers on Ray (default: one per GPU, or per CPU without GPUs)"
    )


def run_tasks(
    make_worker: Callable[[], Worker], tasks: Sequence[Any], options: argparse.Namespace, grows: bool = False
) -> Iterator[Outcome]:
    """Do the tasks where the options say; the outcomes as they are ready.

    With `grows`, whoever takes an outcome may append to the tasks.

    Raises:
        ValueError: for an unusable number of workers.
        ModuleNotFoundError: for --ray without Ray.
    """
    workers = options.ray_workers
    if workers is not None and (options.ray is None or workers < 1):
        raise ValueError(f"Expected --ray-workers of at least 1 beside --ray, received {workers}. Correct it.")
    if options.ray is None:
        return run_in_process(make_worker, tasks)
    return run_on_ray(make_worker, tasks, options.ray, options.ray_workers, grows=grows)
