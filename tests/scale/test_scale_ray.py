"""On a cluster of two workers: a task that kills its worker costs itself alone, and videos become the same shards."""

import os
import signal

import pytest

from diffusionact.scale import run_in_process
from diffusionact.scale.ray_cluster import run_on_ray

pytest.importorskip("ray", reason="Ray (extra scale) is absent")
pytestmark = pytest.mark.slow

DEADLY, COUNT = 7, 40


def test_a_deadly_task_is_set_aside_and_all_others_are_done():
    def work(task):
        if task == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        if task == DEADLY + 1:
            raise ValueError("Expected another task")
        return task * task

    # Defined here, it travels to the workers as it is: they know no module of the tests.
    def make_worker():
        return work

    outcomes = sorted(run_on_ray(make_worker, range(COUNT), workers=2), key=lambda outcome: outcome.index)
    assert [outcome.index for outcome in outcomes] == list(range(COUNT))
    deadly, rejected = outcomes.pop(DEADLY), outcomes.pop(DEADLY)
    assert deadly.tries == 3 and "the worker died" in deadly.last.error
    assert rejected.tries == 1 and rejected.last.error == "ValueError: Expected another task"
    good = [task for task in range(COUNT) if task not in (DEADLY, DEADLY + 1)]
    alone = [outcome.last.result for outcome in run_in_process(make_worker, good)]
    assert [outcome.last.result for outcome in outcomes] == alone


def test_workers_that_cannot_start_end_the_run():
    def cannot_start():
        raise FileNotFoundError("Expected a model")

    with pytest.raises(ValueError, match="FileNotFoundError: Expected a model"):
        list(run_on_ray(cannot_start, range(4), workers=1))
