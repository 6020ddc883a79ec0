"""Tasks on Ray: actors that hold a worker each and are given a task when they are free. The only file that imports Ray.

Ray starts the actors, starts them again when they die, and carries tasks and results. A dead actor costs the task that
it had one try; the task goes to the next free actor while Ray replaces the dead one.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

from .tasks import MAX_TRIES, Attempt, Outcome, TaskQueue, Worker, attempt

LOCAL = "local"
OBJECT_STORE_BYTES = 100 * 2**20  # tasks and results are a few hundred bytes; Ray would take a third of the memory
MAX_STARTS = 3
RESTART_PAUSE_S = 0.1


def import_ray() -> ModuleType:
    """Ray, told to send no statistics of use.

    Raises:
        ModuleNotFoundError: if it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Expected Ray for --ray, received no module {error.name!r}. "
            'Install it with: pip install "diffusionact[scale]"'
        ) from error
    return ray


def run_on_ray(
    make_worker: Callable[[], Worker],
    tasks: Sequence[Any],
    address: str = LOCAL,
    workers: int | None = None,
    max_tries: int = MAX_TRIES,
    grows: bool = False,
) -> Iterator[Outcome]:
    """Do the tasks on a cluster; outcomes come as they are ready.

    Args:
        make_worker: is called in every actor; it and the tasks are pickled.
        tasks: in the order in which they are begun.
        address: of a cluster that runs, "auto" for that of this machine, or "local" to start one here.
        workers: actors; None takes one per GPU, or per CPU where there is no GPU.
        max_tries: a task that failed so often is set aside.
        grows: whoever takes an outcome may append to the tasks, so that few of them need all workers.

    Raises:
        ModuleNotFoundError: if Ray is not installed.
        ConnectionError: if there is no cluster at `address`.
        ValueError: if a worker cannot be made.
    """
    ray = import_ray()
    most = None if grows else len(tasks)
    return _outcomes(ray, make_worker, tasks, (address, workers), TaskQueue(tasks, max_tries), most)


def _outcomes(
    ray: ModuleType,
    make_worker: Callable[[], Worker],
    tasks: Sequence[Any],
    cluster: tuple[str, int | None],
    queue: TaskQueue,
    most: int | None,
) -> Iterator[Outcome]:
    with _connected(ray, *cluster):
        actors = _start_actors(ray, make_worker, cluster[1], most)
        running = {actor.start.remote(): (actor, None) for actor in actors}
        free = []
        while queue.unsettled:
            while free and (index := queue.take()) is not None:
                actor = free.pop(0)
                running[actor.run.remote(tasks[index])] = actor, index
            (reference,), _ = ray.wait(list(running))
            actor, index = running.pop(reference)
            outcome, is_alive = None, True
            if index is None:
                is_alive = _has_started(ray, reference)
            else:
                tried, is_alive = _result(ray, reference)
                outcome = queue.settle(index, tried)
            if is_alive:
                free.append(actor)
            else:
                running[actor.start.remote()] = actor, None
            if outcome is not None:
                yield outcome


@contextmanager
def _connected(ray: ModuleType, address: str, workers: int | None) -> Iterator[None]:
    """A cluster; one that was started here is ended, and its files are removed."""
    # Sockets of Ray lie in this folder, and their names may have 107 bytes.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp" if os.path.isdir("/tmp") else None)
    own = {
        "num_cpus": workers or os.cpu_count(),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
        "_temp_dir": folder,
    }
    try:
        _connect(ray, address, own if address == LOCAL else {})
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _connect(ray: ModuleType, address: str, own: dict[str, Any]) -> None:
    """Start or find the cluster. A busy machine may need longer than the 30 s that Ray waits for its own processes."""
    for start in range(1, MAX_STARTS + 1):
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
            return
        except Exception as error:  # Ray raises bare ones here
            ray.shutdown()
            if start == MAX_STARTS or address != LOCAL:
                raise ConnectionError(
                    f"Expected a Ray cluster at {address!r}, received: {error} Check the address and what runs there."
                ) from error


def _start_actors(ray: ModuleType, make_worker: Callable[[], Worker], workers: int | None, most: int | None) -> list:
    there = ray.cluster_resources()
    gpus, cpus = int(there.get("GPU", 0)), int(there.get("CPU", 1))
    count = workers or gpus or cpus
    count = max(1, count if most is None else min(count, most))
    # With more actors than GPUs, several share one: as many as must, since no actor may have parts of two.
    share = {"num_cpus": 1, "num_gpus": 1 / math.ceil(count / gpus)} if gpus else {"num_cpus": 1}
    actor_class = ray.remote(max_restarts=-1, max_task_retries=0, **share)(_actor_class(ray))
    return [actor_class.remote(make_worker, os.getcwd()) for _ in range(count)]


def _actor_class(ray: ModuleType) -> type:
    class TaskActor:
        """Holds a worker; `start` comes first, also after Ray has started the actor again."""

        def __init__(self, make_worker: Callable[[], Worker], folder: str):
            self._make_worker = make_worker
            with suppress(OSError):  # where this machine has it, relative paths mean what they mean to the command
                os.chdir(folder)

        @ray.method(max_task_retries=MAX_STARTS)
        def start(self) -> str:
            """Make the worker; returns why that failed, or ""."""
            made = attempt(lambda make: setattr(self, "_worker", make()), self._make_worker)
            return made.error

        def run(self, task: Any) -> Attempt:
            """Try a task once."""
            return attempt(self._worker, task)

    return TaskActor


def _has_started(ray: ModuleType, reference: Any) -> bool:
    """Whether an actor has its worker; False while Ray is still starting it again."""
    try:
        error = ray.get(reference)
    except ray.exceptions.ActorUnavailableError:
        time.sleep(RESTART_PAUSE_S)
        return False
    except ray.exceptions.RayError as failure:
        error = f"{type(failure).__name__}: {failure}"
    if error:
        raise ValueError(f"Expected workers that start, received one that did not ({error}). Correct that first.")
    return True


def _result(ray: ModuleType, reference: Any) -> tuple[Attempt, bool]:
    """A try and whether its actor lives."""
    try:
        return ray.get(reference), True
    except ray.exceptions.RayError as error:
        first_line = str(error).strip().partition("\n")[0] or "no message"
        return Attempt(error=f"the worker died ({type(error).__name__}: {first_line})"), False
