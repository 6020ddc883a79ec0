"""Tasks are tried three times, what is rejected once, and each is settled exactly once."""

import json
import shutil

import pytest

from diffusionact.scale import Summary, run_in_process
from diffusionact.scale.tasks import Attempt, TaskQueue


class Worker:
    """Doubles numbers; "rejected" and "lost" never succeed, "late" does at its third try."""

    def __init__(self):
        self.calls = []

    def __call__(self, task):
        self.calls.append(task)
        if task == "rejected":
            raise ValueError("Expected a number")
        if task == "lost" or (task == "late" and self.calls.count(task) < 3):
            raise OSError("the store is away")
        return "made"


def test_what_fails_is_tried_three_times_and_what_is_rejected_once(tmp_path):
    worker, tasks = Worker(), [1, "rejected", "late", "lost", 2]
    summary = Summary(str(tmp_path / "summary.json"), len(tasks), lambda index: str(tasks[index]))
    outcomes = list(summary.follow(run_in_process(lambda: worker, tasks), "Test", "task"))
    assert [(outcome.index, outcome.tries) for outcome in outcomes] == [(0, 1), (1, 1), (2, 3), (3, 3), (4, 1)]
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written["done"] == {"made": 3} and written["settled"] == written["total"] == 5
    assert written["set_aside"] == [
        {"name": "rejected", "tries": 1, "error": "ValueError: Expected a number"},
        {"name": "lost", "tries": 3, "error": "OSError: the store is away"},
    ]


def test_the_summary_is_written_when_a_run_is_interrupted(tmp_path):
    def worker(task):
        if task == 2:
            raise KeyboardInterrupt
        return "made"

    summary = Summary(str(tmp_path / "summary.json"), 4, str)
    with pytest.raises(KeyboardInterrupt):
        list(summary.follow(run_in_process(lambda: worker, range(4)), "Test", "task"))
    assert json.loads((tmp_path / "summary.json").read_text())["done"] == {"made": 2}


def test_a_summary_whose_folder_is_away_for_a_while_ends_nothing(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("diffusionact.scale.summary.SAVED_EVERY_S", -1.0)
    folder = tmp_path / "store"
    folder.mkdir()

    def worker(task):
        shutil.rmtree(folder) if task == 1 else folder.mkdir(exist_ok=True)
        return "made"

    summary = Summary(str(folder / "summary.json"), 3, str)
    assert len(list(summary.follow(run_in_process(lambda: worker, range(3)), "Test", "task"))) == 3
    assert "was not written" in caplog.text
    assert json.loads((folder / "summary.json").read_text())["done"] == {"made": 3}


def test_a_failed_task_comes_before_new_ones():
    queue = TaskQueue(range(3))
    assert [queue.take(), queue.take()] == [0, 1]
    assert queue.settle(0, Attempt(error="the worker died")) is None
    assert [queue.take(), queue.take(), queue.take()] == [0, 2, None]
    for index in range(3):
        queue.settle(index, Attempt("made"))
    assert queue.unsettled == 0
