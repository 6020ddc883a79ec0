"""The commands that `kill` ends: what they read, how they are called, and what must stand at every moment."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
MEDIA = ROOT / "diffusionact" / "demo" / "media"


@dataclass(frozen=True)
class Room:
    """A command. In its words and files {common} is the folder of what it reads, {folder} that of its outputs.

    Attributes:
        make: writes what the command reads into a folder.
        run: the command: words -> exit code; the same call begins, and goes on.
        words: its words.
        whole: patterns of files that have their last content from the moment that they have their name.
        content: output folder -> what is the same at the end, whatever was killed on the way.
        finished: output folder -> finished work, which no later run makes again.
        unwinds: SIGTERM leaves no temporary file.
        files: name -> text, put into the folder of the outputs at the beginning.
    """

    make: Callable[[Path], object]
    run: Callable[[list[str]], int | None]
    words: tuple[str, ...]
    whole: tuple[str, ...]
    content: Callable[[Path], dict[str, str]]
    finished: Callable[[Path], set[str]] = lambda folder: set()
    unwinds: bool = False
    files: dict[str, str] = field(default_factory=dict)


def hashes(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """Name -> sha256 of the files of some patterns, hidden ones left out."""
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    shown = [path for path in sorted(files) if not any(part[0] == "." for part in path.relative_to(folder).parts)]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in shown}


def stamps(folder: Path, *patterns: str) -> set[str]:
    """Names with the moment of their writing."""
    return {f"{name} {(folder / name).stat().st_mtime_ns}" for name in hashes(folder, patterns)}


def _command(words: list[str]) -> int:
    from diffusionact.cli import main

    return main(words)


def _tiny_model(common: Path) -> None:
    from tiny_model import make_tiny_model

    make_tiny_model(common / "model")


def _reenactment() -> Room:
    """A photo and a clip into a video."""
    words = ["reenact", str(MEDIA / "source.png"), str(MEDIA / "driving.mp4"), "--model", "{common}/model"]
    words += ["--end", "0.4", "--overwrite", "-o", "{folder}/out.mp4"]
    whole = ("out.mp4",)
    return Room(_tiny_model, _command, (*words,), whole, lambda folder: hashes(folder, whole), unwinds=True)


def _encoding() -> Room:
    """A photo into a saved source."""
    words = ["encode", str(MEDIA / "source.png"), "--model", "{common}/model", "--overwrite"]
    words += ["-o", "{folder}/a.safetensors"]
    whole = ("a.safetensors",)
    return Room(_tiny_model, _command, (*words,), whole, lambda folder: hashes(folder, whole), unwinds=True)


def _batch() -> Room:
    """A table of four videos."""
    rows = [f"{MEDIA / 'source.png'},{motion}.mp4,{motion},0.2" for motion in ("nod", "shake", "wink", "talk")]
    table = "\n".join(["source,output,motion,seconds,model", *(f"{row},{{common}}/model" for row in rows)])
    whole = ("*.mp4",)
    return Room(
        _tiny_model,
        _command,
        ("batch", "{folder}/jobs.csv"),
        whole,
        lambda folder: hashes(folder, whole),
        lambda folder: stamps(folder, *whole),
        unwinds=True,
        files={"jobs.csv": table + "\n"},
    )


def _import_files(words: list[str]) -> int:
    from official_files import TINY  # noqa: F401 - networks of that size are known from here on

    from diffusionact.conversion.importing import import_files

    try:
        outcomes = import_files([Path(words[0])], Path(words[1]), progress=False)
    except OSError as error:  # as the command does
        print(error)
        return 2
    return int(any(outcome.status == "failed" for outcome in outcomes))


def _import() -> Room:
    """The authors' files, at tiny size, into the weights folder."""

    def make(common: Path) -> None:
        from official_files import TINY, write_all

        write_all(common / "official", TINY, ("s3fd", "fan", "gaze", "emoca", "flame"))

    whole = ("weights/**/*.safetensors",)
    words = ("{common}/official", "{folder}/weights")
    return Room(make, _import_files, words, whole, lambda folder: hashes(folder, whole))


def _prepare(words: list[str]) -> int:
    from train.commands.preparation import main

    return main(words)


def _preparation(workers: int) -> Room:
    """Four clips of three people into shards."""

    def make(common: Path) -> None:
        for name in ("ann/one", "ann/two", "bob/one", "cid/test/one"):
            path = common / "videos" / f"{name}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(MEDIA / "driving.mp4", path)
        (common / "videos/bob/broken.mp4").write_bytes(b"no video")

    def finished(folder: Path) -> set[str]:
        records = [json.loads(path.read_text()) for path in (folder / "out/records").glob("*.json")]
        return stamps(folder, *(f"out/{record['shard']}" for record in records if record["shard"]))

    words = ["--input", "{common}/videos", "--output", "{folder}/out", "--layout", "people", "--max-frames", "3"]
    words += ["--size", "64", "--validation-every", "0", "--device", "cpu", "--workers", str(workers)]
    everything = ("out/*.tar", "out/*.json", "out/*.jsonl", "out/records/*")
    return Room(make, _prepare, (*words,), ("out/*.tar",), lambda folder: hashes(folder, everything), finished)


def _train(words: list[str]) -> int:
    from train.commands.training import run

    sys.argv[1:] = words
    return run()


def _training() -> Room:
    """A tiny run with a checkpoint after every step, all of them kept."""

    def make(common: Path) -> None:
        import yaml

        sys.path.insert(0, str(ROOT / "tests" / "train"))
        from tiny_shards import write_shards

        write_shards(common / "shards")
        networks = {"patch_size": 2, "block_out_channels": [8, 8], "norm_groups": 4}
        settings = {
            "unet": networks | {"time_dim": 8},
            "semantic_encoder": networks | {"semantic_dim": 8, "pool_size": 2},
            "validation_images": 2,
            "validation_steps": 2,
        }
        values = {
            "stage": "pretrain_diffae",
            "run_folder": str(common / "unused"),
            "data": {"folder": str(common / "shards"), "sample_size": 16, "validation_every": 4},
            "optimiser": {"warm_up_steps": 1},
            "loop": {"cpu": True, "mixed_precision": "no", "max_steps": 12, "batch_size": 4, "validate_every": 0,
                     "log_every": 1, "checkpoint_every": 1, "checkpoints_kept": 20},
            "settings": settings,
        }  # fmt: skip
        (common / "run.yaml").write_text(yaml.safe_dump(values))

    words = ("--config", "{common}/run.yaml", "--resume", "latest", "--override", "run_folder={folder}/run")
    checkpoints = ("run/checkpoints/step-*/model.safetensors",)
    everything = (*checkpoints, "run/model/**/*.safetensors")
    return Room(
        make,
        _train,
        words,
        checkpoints,
        lambda folder: hashes(folder, everything),
        lambda folder: stamps(folder, *checkpoints),
    )


def _evaluation() -> Room:
    """Two people of three frames each, driven by themselves, one frame at a time."""

    def make(common: Path) -> None:
        sys.path.insert(0, str(ROOT / "tests" / "evaluation"))
        from evaluation_data import shard_frame, write_data, write_tiny_arcface
        from tiny_model import make_faithful_model

        from diffusionact.face.geometry.alignment import align_face
        from diffusionact.face.readers.open.tracking import OpenFaceTracker
        from diffusionact.images import load_image

        photo = load_image(MEDIA / "source.png")
        landmarks = OpenFaceTracker("largest", "error").observe(photo[None]).landmarks[0]
        face, _ = align_face(photo, landmarks, 256)
        images = {"ann": face, "bob": face.flip(1)[..., [2, 1, 0]]}
        people = {
            person: [shard_frame(image.roll(6 * number, dims=1), person, number) for number in range(3)]
            for person, image in images.items()
        }
        write_data(common / "data", people)
        write_tiny_arcface(common / "arcface.safetensors")
        make_faithful_model(common / "model")

    words = ["evaluate", "--data", "{common}/data", "-o", "{folder}/report", "--model", "tiny={common}/model"]
    words += ["--identity", "{common}/arcface.safetensors", "--device", "cpu", "--dtype", "float32", "--steps", "2"]
    words += ["--inversion-steps", "2", "--frames-per-video", "2", "--batch-size", "1"]
    words += ["--protocol", "self"]
    return Room(make, _command, (*words,), ("report/pictures/*.png",), _figures, _lines)


def _lines(folder: Path) -> set[str]:
    """Finished results, with the time that they took."""
    parts = (folder / "report/parts").glob("*.jsonl")
    lines = [line for path in parts for line in path.read_text().splitlines(keepends=True)]
    return {line for line in lines if line.endswith("\n")}


def _figures(folder: Path) -> dict[str, str]:
    """Results, without the time that they took, and images."""
    results = [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in _lines(folder)]
    figures = {f"{result['method']} {result['key']}": json.dumps(result) for result in results}
    pages = {name: str((folder / "report" / name).is_file()) for name in ("results.json", "report.md", "report.html")}
    return figures | pages | hashes(folder, ("report/pictures/*.png",))


ROOMS = {
    "reenact": _reenactment(), "encode": _encoding(), "import": _import(), "prepare": _preparation(1),
    "prepare-workers": _preparation(2), "train": _training(), "evaluate": _evaluation(), "batch": _batch(),
}  # fmt: skip
