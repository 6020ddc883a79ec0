"""`batch` at scale on one machine: overhead per clip, growth, a killed worker, an object store, impossible rows.

    OMP_NUM_THREADS=1 python benchmarks/scale.py --output benchmarks/results/scale.json

Needs `pip install "diffusionact[scale]" "moto[server]"`. Every row is a real run of `reenact` with a tiny model: three
frames of 32 px from a saved source. The same rows are rendered in one process, by two workers on Ray, by two workers of
which one is ended by `kill -9` in mid-run, and from and to an S3 server on loopback; the videos are compared byte by
byte. One long clip of the bundled model is rendered whole and in parts. No machine is quiet: the load before is written
beside the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's workers would wait for everything else; one process does not
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import psutil  # noqa: E402
import ray  # noqa: E402
import torch  # noqa: E402
from tiny_model import make_tiny_model  # noqa: E402

from diffusionact.cli import main as diffusionact  # noqa: E402
from diffusionact.cli import parse_row  # noqa: E402
from diffusionact.commands import reenact_parts  # noqa: E402
from diffusionact.commands.demo import DEMO_MEDIA  # noqa: E402
from diffusionact.commands.loading import HeldPipeline, load_pipeline  # noqa: E402
from diffusionact.scale.ray_cluster import run_on_ray  # noqa: E402
from diffusionact.scale.tasks import Outcome, run_in_process  # noqa: E402

WORKERS = 2
EMPTY_TASKS = (2000, 8000)
SCHEDULERS = {"in_process": (), "ray": ("--ray", "--ray-workers", str(WORKERS))}
# "kill" and "store" compare with "growth".
MEASUREMENTS = ("scheduling", "growth", "kill", "store", "set_aside", "parts")
HEAD = "source,output,motion,seed,seconds,model,steps,device"
BUCKET = "clips"
PATIENCE_S = 300


def main() -> None:
    """Print a line per measurement and write them as JSON; exit code 1 if bytes differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--kill-rows", type=int, default=300)
    parser.add_argument("--store-rows", type=int, default=100)
    parser.add_argument("--alone-rows", type=int, default=300, help="of them, by one process; bytes are compared")
    parser.add_argument("--part-frames", type=int, default=16, help="of the clip in parts")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=MEASUREMENTS, help="keep the other results")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    results: dict[str, Any] = {"machine": machine()}
    if options.output and options.output.exists():
        results = json.loads(options.output.read_text()) | results
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder)
        measurements: dict[str, Callable[[], dict[str, Any]]] = {
            "scheduling": scheduling,
            "growth": lambda: growth(folder, {"in_process": options.alone_rows, "ray": options.rows}),
            "kill": lambda: kill(folder, options.kill_rows),
            "store": lambda: store(folder, options.store_rows),
            "set_aside": lambda: set_aside(folder),
            "parts": lambda: parts(folder, options.part_frames),
        }
        for title in options.only:
            results[title] = measurements[title]()
            print(title, json.dumps(results[title]), flush=True)
            if options.output:
                options.output.write_text(json.dumps(results, indent=2) + "\n")
    raise SystemExit(not all(value for row in results.values() for key, value in row.items() if key == "same_bytes"))


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    load = round(os.getloadavg()[0], 1)
    versions = {"torch": torch.__version__, "ray": ray.__version__, "python": platform.python_version()}
    return {"processors": os.cpu_count(), "threads_per_process": 1, "load_before": load, **versions}


def make_inputs(folder: Path) -> None:
    """A tiny model and a source that is encoded by it."""
    model = make_tiny_model(folder / "model")
    words = ["encode", str(DEMO_MEDIA / "photo.jpg"), "--output", str(folder / "source.safetensors")]
    if diffusionact([*words, "--model", str(model), "--inversion-steps", "2", "--device", "cpu"]):
        raise SystemExit("the source could not be encoded")


def scheduling() -> dict[str, Any]:
    """What a row costs beyond its work, and how that grows: tasks that do nothing."""
    found: dict[str, Any] = {"tasks": EMPTY_TASKS, "in_process_us_per_task": [], "ray_ms_per_task": []}
    for count in EMPTY_TASKS:
        found["in_process_us_per_task"].append(round(1e6 * _seconds_per_task(run_in_process(nothing, range(count))), 1))
        on_ray = run_on_ray(nothing, range(count), workers=WORKERS)
        found["ray_ms_per_task"].append(round(1e3 * _seconds_per_task(on_ray), 2))
    return found


def _seconds_per_task(outcomes: Iterator[Outcome]) -> float:
    next(outcomes)  # the workers are there
    started = time.perf_counter()
    settled = sum(1 for _ in outcomes)
    return (time.perf_counter() - started) / settled


def nothing() -> Callable[[int], str]:
    """A worker without work."""
    return str


def growth(folder: Path, rows: dict[str, int]) -> dict[str, Any]:
    """When a quarter, a half and all of the rows were there, and what of the time was not the workers' work."""
    found: dict[str, Any] = {}
    for scheduler, words in SCHEDULERS.items():
        work, count = folder / scheduler, rows[scheduler]
        wall_s, summary = batch(work, table(folder, count), words)
        moments = sorted(path.stat().st_mtime for path in work.glob("out/*.mp4"))
        workers = len(summary["workers"])
        # From the first row on, so that the start of Python, model and cluster is not in it.
        seconds = [moments[part - 1] - moments[0] for part in (count // 4, count // 2, count)]
        found[scheduler] = {
            "rows": count,
            "workers": workers,
            "start_s": round(wall_s - seconds[-1], 1),
            "seconds_at_quarter_half_all": [round(value, 1) for value in seconds],
            "all_to_half": round(seconds[-1] / seconds[1], 2),
            "wall_ms_per_row": round(1000 * seconds[-1] / count, 2),
            "worker_ms_per_row": round(1000 * summary["worker_seconds"] / count, 2),
            "overhead_ms_per_row": round(1000 * (seconds[-1] * workers - summary["worker_seconds"]) / count, 2),
        }
    alone, shared = hashes(folder / "in_process"), hashes(folder / "ray")
    ratio = found["in_process"]["wall_ms_per_row"] / found["ray"]["wall_ms_per_row"]
    same = alone.items() <= shared.items()
    return found | {"speed_of_ray_to_in_process": round(ratio, 2), "compared": len(alone), "same_bytes": same}


def kill(folder: Path, rows: int) -> dict[str, Any]:
    """Two workers; when a third of the videos are there, one of them is killed."""
    work = folder / "killed"
    process = start(work, table(folder, rows), SCHEDULERS["ray"])
    victim = None
    while process.poll() is None and victim is None:
        time.sleep(0.05)
        if len(list(work.glob("out/*.mp4"))) * 3 >= rows:
            victim = next((child for child in workers_of(process) if "run" in child.name()), None)
    if victim is not None:
        victim.kill()
    code = process.wait(PATIENCE_S)
    summary = summary_of(work)
    whole, found = list(hashes(folder / "in_process").items())[:rows], list(hashes(work).items())
    return {
        "rows": rows,
        "killed_pid": victim and victim.pid,
        "exit_code": code,
        "written": summary["done"].get("written", 0),
        "there_already": summary["done"].get("there already", 0),
        "failed": summary["failed"],
        "tried_more_than_once": summary["tried_more_than_once"],
        "worker_processes": len(summary["workers"]),
        "videos": len(found),
        "same_bytes": found == whole,
    }


def workers_of(process: subprocess.Popen) -> list[psutil.Process]:
    """The actors of a command; Ray names their processes after what they do."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "TaskActor" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def store(folder: Path, rows: int) -> dict[str, Any]:
    """Table, source and videos in an S3 server on loopback; rendered here and on Ray, and once more."""
    import fsspec

    found: dict[str, Any] = {"rows": rows}
    with s3_server():
        s3 = fsspec.filesystem("s3")
        s3.mkdir(BUCKET)
        s3.put_file(str(folder / "source.safetensors"), f"{BUCKET}/source.safetensors")
        digests = {}
        for scheduler, words in SCHEDULERS.items():
            name = f"s3://{BUCKET}/{scheduler}.csv"
            text = table(folder, rows).replace(str(folder / "source.safetensors"), "source.safetensors")
            s3.pipe_file(name, text.replace("out/", f"{scheduler}/").encode())
            subprocess.run([*COMMAND, name, *words], check=True, capture_output=True, timeout=PATIENCE_S)
            summary = json.loads(s3.cat_file(f"{name}.summary.json"))
            found[f"{scheduler}_ms_per_row"] = round(1000 * summary["worker_seconds"] / rows, 2)
            digests[scheduler] = sorted(digest(s3.cat_file(key)) for key in s3.find(f"{BUCKET}/{scheduler}/"))
        subprocess.run([*COMMAND, f"s3://{BUCKET}/in_process.csv"], check=True, capture_output=True, timeout=PATIENCE_S)
        found["second_run"] = json.loads(s3.cat_file(f"{BUCKET}/in_process.csv.summary.json"))["done"]
    local = sorted(list(hashes(folder / "in_process").values())[:rows])
    return found | {"same_bytes": digests["in_process"] == digests["ray"] == local}


@contextmanager
def s3_server() -> Iterator[None]:
    """An S3 server of moto's, and the environment that leads there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    words = [sys.executable, "-m", "moto.server", "-p", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(PATIENCE_S * 10):
            with socket.socket() as there:
                if there.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def set_aside(folder: Path) -> dict[str, Any]:
    """A row whose source is missing, one whose output cannot be written, and good ones."""
    good, text = 4, table(folder, 4)
    text += text.splitlines()[1].replace("source.safetensors", "missing.safetensors").replace("00000", "a") + "\n"
    text += text.splitlines()[1].replace("out/00000", "/proc/none/b") + "\n"
    found: dict[str, Any] = {}
    for scheduler, words in SCHEDULERS.items():
        work = folder / f"aside-{scheduler}"
        _, summary = batch(work, text, words, expected=1)
        rows = {Path(row["name"]).stem: {"tries": row["tries"], "error": row["error"]} for row in summary["set_aside"]}
        found[scheduler] = {"good": summary["done"].get("written") == good, "set_aside": rows}
    return found


def parts(folder: Path, part_frames: int) -> dict[str, Any]:
    """A clip of a hundred frames with 20 steps each: by one process, by one of two workers, and in parts by both.

    Beside the seconds, which others that use the machine make longer: the processor time of every stage, and how long
    so many workers would take for them, a processor each, without what Ray adds.
    """
    row = f"{DEMO_MEDIA / 'source.png'},{DEMO_MEDIA / 'driving.mp4'},out/clip.mp4,demo,cpu"
    text = f"source,driving,output,model,device\n{row}\n"
    split = (*SCHEDULERS["ray"], "--split-frames", str(part_frames))
    found: dict[str, Any] = {"part_frames": part_frames}
    for name, words in (("in_process", ()), ("ray_whole", SCHEDULERS["ray"]), ("ray_in_parts", split)):
        wall_s, summary = batch(folder / f"parts-{name}", text, words)
        found[name] = {"seconds": round(wall_s, 1), "worker_seconds": round(summary["worker_seconds"], 1)}
    found |= stages(folder, part_frames)
    videos = [hashes(folder / f"parts-{name}") for name in ("in_process", "ray_whole", "ray_in_parts")]
    return found | {"same_bytes": videos[0] == videos[1] == videos[2] and bool(videos[0])}


def stages(folder: Path, part_frames: int) -> dict[str, Any]:
    """Processor time of the run in one piece and of every stage of the run in parts."""
    words = ["reenact", str(DEMO_MEDIA / "source.png"), str(DEMO_MEDIA / "driving.mp4"), "--model", "demo"]
    whole, split = (
        parse_row([*words, "--device", "cpu", "--output", str(folder / f"{name}.mp4")]) for name in ("whole", "split")
    )
    split.held_pipeline = whole.held_pipeline = HeldPipeline()
    load_pipeline(whole)

    def processor_s(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
        begun = time.process_time()
        result = work(*arguments)
        return round(time.process_time() - begun, 2), result

    whole_s, _ = processor_s(whole.run, whole)
    prepare_s, ranges = processor_s(reenact_parts.prepare, split, part_frames)
    parts_s = [processor_s(reenact_parts.render, split, frames)[0] for frames in ranges]
    join_s, _ = processor_s(reenact_parts.join, split, ranges)
    computed = {}
    for workers in (1, 2, 4, 8):
        busy = [0.0] * workers
        for part_s in parts_s:
            busy[busy.index(min(busy))] += part_s
        computed[workers] = round(prepare_s + max(busy) + join_s, 1)
    times = {"whole": whole_s, "prepare": prepare_s, "parts": parts_s, "join": join_s}
    return {"processor_seconds": times, "computed_seconds_by_workers": computed}


COMMAND = (sys.executable, "-m", "diffusionact", "batch")


def table(folder: Path, rows: int) -> str:
    """Rows of one source, moved otherwise in each."""
    source = folder / "source.safetensors"
    tail = f"0.12,{folder / 'model'},2,cpu"
    return "\n".join([HEAD, *(f"{source},out/{row:05d}.mp4,idle,{row},{tail}" for row in range(rows)), ""])


def start(work: Path, text: str, words: tuple[str, ...]) -> subprocess.Popen:
    """Begin `batch` in a folder of its own."""
    work.mkdir(parents=True)
    (work / "jobs.csv").write_text(text)
    log = (work / "log.txt").open("w")
    return subprocess.Popen([*COMMAND, str(work / "jobs.csv"), *words], stdout=log, stderr=log)


def batch(work: Path, text: str, words: tuple[str, ...], expected: int = 0) -> tuple[float, dict[str, Any]]:
    """Run `batch`; returns its seconds and its summary."""
    started = time.perf_counter()
    code = start(work, text, words).wait()
    if code != expected:
        raise SystemExit(f"exit code {code}: {(work / 'log.txt').read_text()[-2000:]}")
    return time.perf_counter() - started, summary_of(work)


def summary_of(work: Path) -> dict[str, Any]:
    """The summary of a run."""
    return json.loads((work / "jobs.csv.summary.json").read_text())


def hashes(work: Path) -> dict[str, str]:
    """Name -> sha256 of the videos of a run."""
    return {path.name: digest(path.read_bytes()) for path in sorted(work.glob("out/*.mp4"))}


def digest(content: bytes) -> str:
    """sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
