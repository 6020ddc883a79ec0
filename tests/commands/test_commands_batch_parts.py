"""Long clips of a table in parts: the bytes of the run in one piece, also where a worker died or a run broke off."""

import csv
import json
import os
import signal

import pytest
from PIL import Image
from toy_engine import ENTRY, NAME, write_model_folder

from diffusionact.cli import main, parse_row
from diffusionact.commands import reenact_parts
from diffusionact.commands.batch_parts import Part, PartWorker, one_per_row
from diffusionact.commands.batch_table import read_rows
from diffusionact.demo import __path__ as demo
from diffusionact.generation.registry import ENGINES
from diffusionact.scale.ray_cluster import run_on_ray

DRIVING = f"{demo[0]}/media/photo_driving.mp4"
DIFFUSION = {"steps": "2", "inversion-steps": "2", "dtype": "float32", "chunk-size": "3", "paste-back": "yes"}
SPLIT = ("--split-frames", "5")  # two chunks of three


@pytest.fixture
def table(tmp_path, portrait, tiny_model_folder):
    """Write a table of one row of 11 frames; returns it and the output."""
    Image.fromarray(portrait.numpy()).save(tmp_path / "face.png")

    def write(name, output="out.mp4", **cells):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        row = {"source": "../face.png", "driving": DRIVING, "output": output, "end": "0.43", "device": "cpu"}
        row |= {"model": str(tiny_model_folder)} | {key.replace("_", "-"): value for key, value in cells.items()}
        with (folder / "jobs.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerow(row)
        return folder / "jobs.csv", folder / output

    return write


@pytest.mark.parametrize(
    "cells",
    [
        DIFFUSION,
        {"model": "photo", "relative": "yes", "smoothing": "0.5", "output-size": "128"},
        {"model": "photo", "paste-back": "yes"},
        {"model": "photo", "output": "out.mov", "background": "transparent", "output-size": "96"},
    ],
    ids=["diffusion", "warp", "whole photo", "transparent"],
)
def test_parts_give_the_bytes_of_the_whole(table, cells):
    jobs, whole = table("whole", **cells)
    assert main(["batch", str(jobs)]) == 0
    jobs, joined = table("parts", **cells)
    assert main(["batch", str(jobs), *SPLIT]) == 0
    assert joined.read_bytes() == whole.read_bytes()
    assert not reenact_parts.parts_folder(joined).exists()


@pytest.mark.slow
def test_a_killed_worker_costs_no_more_than_its_part(table, tmp_path):
    pytest.importorskip("ray", reason="Ray (extra scale) is absent")
    jobs, whole = table("whole", **DIFFUSION)
    main(["batch", str(jobs)])
    jobs, joined = table("parts", **DIFFUSION)
    folder, killed = str(jobs.parent), tmp_path / "killed"

    # Defined here, it travels to the workers as it is: they know no module of the tests.
    def make_worker():
        worker = PartWorker(folder, parse_row, False, 5)

        def work(task):
            if isinstance(task, Part) and task.frames[0] and not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return worker(task)

        return work

    tasks = read_rows(str(jobs))
    (outcome,) = one_per_row(run_on_ray(make_worker, tasks, workers=2, grows=True), tasks)
    assert killed.exists() and outcome.index == 0 and not outcome.last.error
    assert len(tasks) == 4, "a row, two parts and what joins them"
    assert joined.read_bytes() == whole.read_bytes()


def test_a_part_that_fails_fails_its_row_alone(table, monkeypatch):
    jobs, output = table("one", **DIFFUSION)
    with jobs.open("a") as file:
        file.write(jobs.read_text().splitlines()[1].replace("out.mp4", "other.mp4") + "\n")
    render, tried = reenact_parts.render, []

    def failing(job, frames):
        if job.output.name == "out.mp4" and frames[0]:
            tried.append(frames)
            raise OSError("the disk is away")
        render(job, frames)

    monkeypatch.setattr(reenact_parts, "render", failing)
    assert main(["batch", str(jobs), *SPLIT]) == 1
    assert len(tried) == 3 and not output.exists() and output.with_name("other.mp4").exists()
    summary = json.loads(jobs.with_name("jobs.csv.summary.json").read_text())
    assert summary["done"] == {"written": 1}
    assert [row["name"] for row in summary["set_aside"]] == ["out.mp4"]


def test_an_interrupted_run_goes_on_from_finished_parts(table, monkeypatch):
    jobs, output = table("one", **DIFFUSION)
    render, folder = reenact_parts.render, reenact_parts.parts_folder(output)

    def first_only(job, frames):
        interrupt() if frames[0] else render(job, frames)

    with monkeypatch.context() as patch:
        patch.setattr(reenact_parts, "render", first_only)
        assert main(["batch", str(jobs), *SPLIT]) == 130
    made = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert sorted(made) == ["00000000.nut", "job.json", "poses.safetensors", "source.safetensors"]
    with monkeypatch.context() as patch:
        patch.setattr(reenact_parts, "join", interrupt)
        assert main(["batch", str(jobs), *SPLIT]) == 130
    again = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(again) == 5 and all(again[name] == made[name] for name in made if name != "job.json")
    assert main(["batch", str(jobs), *SPLIT]) == 0
    assert output.exists() and not folder.exists()


def test_parts_of_another_job_are_not_used(table, monkeypatch):
    jobs, output = table("one", **DIFFUSION)
    with monkeypatch.context() as patch:
        patch.setattr(reenact_parts, "join", interrupt)
        assert main(["batch", str(jobs), *SPLIT]) == 130
    assert len(list(reenact_parts.parts_folder(output).glob("*.nut"))) == 2
    other = DIFFUSION | {"gain": "1.5"}
    table("one", **other)
    assert main(["batch", str(jobs), *SPLIT]) == 0
    jobs, whole = table("whole", **other)
    main(["batch", str(jobs)])
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("words", [(), ("--again",)], ids=["first", "again"])
def test_a_folder_with_other_files_is_never_removed(table, words):
    jobs, output = table("one", **DIFFUSION)
    folder = reenact_parts.parts_folder(output)
    folder.mkdir()
    (folder / "holiday.jpg").write_text("mine")
    assert main(["batch", str(jobs), *SPLIT, *words]) == 1
    assert (folder / "holiday.jpg").read_text() == "mine" and not output.exists()


def interrupt(*_):
    raise KeyboardInterrupt


def test_an_engine_that_does_not_say_so_is_not_split(table, tmp_path, monkeypatch):
    monkeypatch.setitem(ENGINES, NAME, ENTRY)
    jobs, output = table("toy", model=str(write_model_folder(tmp_path / "toy_model")))
    prepared, prepare = [], reenact_parts.prepare

    def watched(job, part_frames):
        prepared.append(prepare(job, part_frames))
        return prepared[-1]

    monkeypatch.setattr(reenact_parts, "prepare", watched)
    assert main(["batch", str(jobs), *SPLIT]) == 0
    assert prepared == [[]] and output.exists()
