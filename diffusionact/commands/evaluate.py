"""`diffusionact evaluate`: models on prepared frames by the paper's protocols, as a report.

The entry for several GPUs, `train/evaluate.py`, calls the same steps with a part of the work for each process.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import scale
from ..checks import check_in_range
from ..conversion.published_networks import read_network_file
from ..devices import choose_device
from ..evaluation import (
    PROTOCOLS,
    FrameSet,
    FrameSetObserver,
    Protocol,
    ProtocolOptions,
    ResultStore,
    Runner,
    RunOptions,
    Steps,
    load_frame_set,
    make_protocol,
    read_pairs,
    write_report,
)
from ..evaluation.clip_set import load_clip_set
from ..evaluation.markdown_page import table_text
from ..evaluation.observer import MIN_SURE
from ..evaluation.rendering import sampling_of
from ..evaluation.report import HTML_NAME, MARKDOWN_NAME, missing_page_packages
from ..perception.identity_networks import JUDGE, PHOTO_JUDGE, load_identity_network
from ..perception.lpips_files import load_lpips
from ..schedulers import SCHEDULERS
from .evaluated_models import LoadedModels, read_models, weights_fingerprint

logger = logging.getLogger(__name__)

FAILED = 1
INTERRUPTED = 130
# More than workers, so that a slow one is left the least; each part looks at its true frames anew.
RAY_PARTS = 16
SUMMARY_NAME = "ray_summary.json"
RESULTS_FORMAT = 1
LPIPS_BACKBONE = "alex"
DISTANCE_NOTE = (
    "CSIM is 1 - the Euclidean distance of the identity network's embeddings, not a cosine, and the network is not "
    f"ArcFace: it does not compare with CSIM of papers. Frames of which the face reader is unsure (confidence below "
    f"{MIN_SURE}) have none."
)


@dataclass(frozen=True)
class Share:
    """The part of the work that a process does.

    Attributes:
        part: its number, from 0.
        parts: how many processes there are.
        device: where its networks run.
    """

    part: int
    parts: int
    device: torch.device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments, for `diffusionact evaluate` and for `train/evaluate.py`."""
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data", type=Path, help="folder of shards; its test split where there is one")
    data.add_argument(
        "--clips", type=Path, nargs="+", metavar="CLIP", help="clips of a person each, or folders of them, as photos"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder of the report; goes on from what is there"
    )
    parser.add_argument("--model", nargs="+", default=["demo"], metavar="NAME=PATH", help="one or more (default: demo)")
    parser.add_argument("--protocol", nargs="+", default=["self"], choices=PROTOCOLS, help="default: self")
    parser.add_argument("--videos", type=int, help="the first so many videos only")
    parser.add_argument("--frames-per-video", type=int, help="so many frames of each, evenly spaced")
    parser.add_argument("--pairs", type=Path, help="JSON list of pairs instead of ours; see pairs.json of a report")
    parser.add_argument(
        "--size", type=int, default=256, help="side of the images of --clips, px (default: %(default)s)"
    )
    parser.add_argument("--cross-pairs", type=int, default=35, help="random pairs of people (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random pairs (default: %(default)s)")
    group = parser.add_argument_group("steps")
    group.add_argument("--steps", type=int, help="T, decoding steps (default: the model's)")
    group.add_argument("--inversion-steps", type=int, help="T_xT, from image to x_T (default: the model's)")
    group.add_argument("--scheduler", default="ddim", choices=tuple(SCHEDULERS))
    values = [5, 10, 20, 50, 100]
    group.add_argument("--step-values", type=int, nargs="+", default=values, help="rows of the protocol steps")
    group.add_argument(
        "--inversion-step-values",
        type=int,
        nargs="+",
        default=values,
        help="rows of inversion_steps, beside random x_T",
    )
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--identity",
        help="photo or portrait (bundled), arcface, insightface, or a file; default: photo with --clips, else portrait",
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    group.add_argument(
        "--dtype", default="auto", choices=("auto", "float32", "float16", "bfloat16"), help="of the UNets"
    )
    group.add_argument("--batch-size", type=int, default=16, help="images together (default: %(default)s)")
    group.add_argument("--part", metavar="I/N", help="this process does the I-th of N parts")
    scale.add_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int | None:
    """Evaluate as told on the command line."""
    if options.ray is not None:
        return run_shared(options)
    part, parts = read_part(options.part)
    return run_share(options, Share(part, parts, choose_device(options.device)))


def run_shared(options: argparse.Namespace) -> int | None:
    """Evaluate on Ray: workers take parts of the work as they get free; the last part writes the report.

    Returns:
        As `run_share`; 1 if a part was set aside.
    """
    if options.part is not None:
        raise ValueError(f"Expected no --part beside --ray, received {options.part!r}. Leave it out.")
    check_options(options)
    options.output.mkdir(parents=True, exist_ok=True)
    parts = [(part, RAY_PARTS) for part in range(RAY_PARTS)]
    name = "part {} of {}".format
    summary = scale.Summary(str(options.output / SUMMARY_NAME), len(parts), lambda index: name(index + 1, RAY_PARTS))
    outcomes = scale.run_tasks(partial(ShareWorker, options), parts, options)
    missing = []
    try:
        for outcome in summary.follow(outcomes, "Evaluate", "part"):
            missing.append(outcome.last.result)
            if outcome.last.error:
                logger.error("Part %d failed: %s", outcome.index + 1, outcome.last.error)
    except KeyboardInterrupt:
        return _interrupted(options)
    if summary.set_aside:
        return FAILED
    if 0 not in missing:  # the last parts ended together, and none of them saw the results of the other
        return run_share(options, Share(0, 1, choose_device(options.device)))
    logger.info("Report: %s", options.output)
    return None


class ShareWorker:
    """Does parts of an evaluation, with its models and frames loaded once.

    Args:
        options: of `diffusionact evaluate`.
        device: where the networks run; None is what the options say, on the machine of the worker.
    """

    def __init__(self, options: argparse.Namespace, device: torch.device | None = None):
        self._device = device or choose_device(options.device)
        self._evaluation = Evaluation(options, self._device)

    def __call__(self, part: tuple[int, int]) -> int:
        """Do a part (number from 0, how many there are); returns how many results others still have to make."""
        return self._evaluation.run(Share(*part, self._device))


def run_share(options: argparse.Namespace, share: Share) -> int | None:
    """Do one process's part; whichever process finds all results there writes the report.

    Returns:
        An exit code, None for success.
    """
    try:
        missing = ShareWorker(options, share.device)((share.part, share.parts))
    except KeyboardInterrupt:
        return _interrupted(options)
    if missing:
        logger.info("Part %d of %d is done; other parts have %d results to make.", share.part + 1, share.parts, missing)
    return None


def _interrupted(options: argparse.Namespace) -> int:
    logger.info("\nInterrupted; finished pairs are kept in %s. The same command goes on from there.", options.output)
    return INTERRUPTED


class Evaluation:
    """An evaluation as one process sees it, from the words of the command line.

    Args:
        options: of `diffusionact evaluate`.
        device: where the networks run.

    Raises:
        FileNotFoundError: if data, a model or the identity network is missing.
        ValueError: if options do not fit each other, the data, or earlier results in the output folder.
    """

    def __init__(self, options: argparse.Namespace, device: torch.device):
        check_options(options)
        warn_of_missing_pages()
        self.options, self.device = options, device
        self.frames = load_frames(options)
        self.identity_name = str(options.identity or (PHOTO_JUDGE if self.frames.has_photos else JUDGE))
        self.protocols = make_protocols(options, self.frames)
        self.models = LoadedModels(read_models(options.model), device, options.dtype)
        self.identity = load_identity_network(self.identity_name, read_network_file).to(device)
        self.lpips_network, self.without_lpips = find_lpips(device)
        self.settings = {
            "format": RESULTS_FORMAT,
            "data": self.frames.fingerprint,
            "picture_size": self.frames.size,
            "identity": {"network": self.identity_name, "weights": weights_fingerprint(self.identity)},
            "lpips": LPIPS_BACKBONE if self.lpips_network else None,
            "scheduler": options.scheduler,
            "steps": options.steps,
            "inversion_steps": options.inversion_steps,
            "models": {name: self._facts(name) for name in self.models.paths},
        }

    def _facts(self, name: str) -> dict[str, Any]:
        """What the figures of a model depend on, once it is sure that it can be sampled as every protocol asks for."""
        engine = self.models.load(name)
        for protocol in self.protocols:
            for steps in protocol.steps.values():
                engine.check_sampling(sampling_of(steps, self.options.scheduler))
        return self.models.facts(name)

    def run(self, share: Share) -> int:
        """Do a part of it, and write the report if nothing is missing then.

        Returns:
            How many results other parts still have to make.
        """
        observer = FrameSetObserver(self.frames, self.identity, self.device)
        models = {name: self.models.entry(name) for name in self.models.paths}
        run_options = RunOptions(
            scheduler=self.options.scheduler,
            batch_size=self.options.batch_size,
            part=share.part,
            parts=share.parts,
            show_progress=share.part == 0 or self.options.part is not None,
        )
        with ResultStore(self.options.output, self.settings, share.part, share.parts) as store:
            runner = Runner(self.frames, self.protocols, models, observer, self.lpips_network, store, run_options)
            runner.run()
            missing = runner.missing()
            if not missing:
                self.write_report(store)
        return missing

    def describe(self, name: str) -> str:
        """A model and its steps, for people."""
        facts = self.settings["models"][name]
        steps = self.options.steps or facts["own_steps"]
        inversion_steps = self.options.inversion_steps or facts["own_inversion_steps"]
        return f"{self.models.paths[name]}, {facts['dtype']}, {facts['size']} px, T = {steps}, T_xT = {inversion_steps}"

    def write_report(self, store: ResultStore) -> None:
        """Write the pages and print where they are, with the first table."""
        data = self.options.data or ", ".join(map(str, self.options.clips))
        facts = {
            "data": f"{data}, {len(self.frames.videos)} videos, {len(self.frames)} frames of "
            f"{self.frames.size} px" + (", rendered" if self.frames.is_rendered else ""),
            **{f"model {name}": self.describe(name) for name in self.models.paths},
            "sampler": self.options.scheduler,
            "landmarks, head pose, expression, gaze": "the bundled open face reader",
            "identity": self.identity_name,
        }
        notes = list(self.frames.notes)
        if getattr(self.identity, "compared_by", "cosine") == "distance":
            notes.append(DISTANCE_NOTE)
        notes += [self.without_lpips] if self.without_lpips else []
        report = write_report(store, self.frames, self.protocols, list(self.models.paths), facts, notes)
        logger.info("%s\n", table_text(report.sections[0].table))
        logger.info("Report: %s", self.options.output / (MARKDOWN_NAME if missing_page_packages() else HTML_NAME))


def read_part(word: str | None) -> tuple[int, int]:
    """ "2/4" -> (1, 4): the second of four; None is the whole.

    Raises:
        ValueError: if it is no such word.
    """
    if word is None:
        return 0, 1
    number, _, parts = word.partition("/")
    if not (number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts)):
        raise ValueError(f"Expected a part such as 2/4, the second of four, received {word!r}. Use --part 1/4 to 4/4.")
    return int(number) - 1, int(parts)


def check_options(options: argparse.Namespace) -> None:
    """Raise ValueError for numbers that no evaluation can use."""
    check_in_range("--batch-size", options.batch_size, 1, 4096)
    check_in_range("--size", options.size, 64, 1024)
    check_in_range("--cross-pairs", options.cross_pairs, 1, 10**6)
    counts = {"--videos": options.videos, "--steps": options.steps, "--inversion-steps": options.inversion_steps}
    for name, value in counts.items():
        check_in_range(name, 1 if value is None else value, 1, 10**6)
    for value in (*options.step_values, *options.inversion_step_values):
        check_in_range("a number of steps", value, 1, 1000)
    if options.frames_per_video is not None:
        check_in_range("--frames-per-video", options.frames_per_video, 2, 10**6)


def make_protocols(options: argparse.Namespace, frames: FrameSet) -> list[Protocol]:
    """The protocols that were asked for, each once."""
    chosen = ProtocolOptions(
        steps=Steps(options.steps, options.inversion_steps),
        inference_values=tuple(dict.fromkeys(options.step_values)),
        inversion_values=tuple(dict.fromkeys(options.inversion_step_values)),
        cross_pairs=options.cross_pairs,
        seed=options.seed,
        listed=read_pairs(options.pairs, frames) if options.pairs else None,
    )
    return [make_protocol(name, frames, chosen) for name in dict.fromkeys(options.protocol)]


def warn_of_missing_pages() -> None:
    """Report before the work begins which pages will be left out."""
    if missing := missing_page_packages():
        logger.warning(
            "The HTML page and the plots are left out, as %s is not installed; results.json and report.md are written. "
            "Run `pip install diffusionact[evaluate]` for them.",
            " and ".join(missing),
        )


def load_frames(options: argparse.Namespace) -> FrameSet:
    """The frames of --data or --clips."""
    if options.clips:
        return load_clip_set(options.clips, options.size, options.videos, options.frames_per_video)
    return load_frame_set(options.data, options.videos, options.frames_per_video)


def find_lpips(device: torch.device) -> tuple[nn.Module | None, str]:
    """The network of LPIPS; or None, and why its column is missing."""
    try:
        return load_lpips(LPIPS_BACKBONE, read_network_file).to(device), ""
    except FileNotFoundError as error:
        return None, f"LPIPS is left out. {error}"
