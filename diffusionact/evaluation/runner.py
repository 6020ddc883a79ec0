"""Makes the results of an evaluation: renders, looks, measures, and keeps every finished pair.

Work is shared between processes by position in a list that is the same for all; each skips what any of them has
finished before it began.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..generation import Engine
from ..images import model_to_uint8, save_png
from .figures import LpipsNetwork, Measured, measure
from .frame_set import FrameSet
from .landmark_warp import warp_by_landmarks
from .observer import FrameSetObserver, Seen
from .photo_figures import PhotoMeasure
from .plan import BASELINES, COPIED_DRIVER, COPIED_SOURCE, RECONSTRUCTION, Task, all_tasks
from .protocols import RANDOM, Protocol
from .rendering import Abilities, Job, Renderer
from .result_store import Line, ResultStore
from .targets import Target, TargetMaker

IMAGES = "pictures"
# Pairs of each protocol whose images are kept for the report.
EXAMPLES = 8
# Bytes; file systems end at 255, and a file that is being written has a longer name.
MAX_NAME = 200


@dataclass(frozen=True)
class RunOptions:
    """How the work is done.

    Attributes:
        scheduler: name of the sampler.
        batch_size: images that go through a network together.
        part, parts: this process among all.
        show_progress: draw a bar.
    """

    scheduler: str = "ddim"
    batch_size: int = 16
    part: int = 0
    parts: int = 1
    show_progress: bool = True


@dataclass(frozen=True)
class ModelEntry:
    """A model to evaluate.

    Attributes:
        load: gives its engine, on its device.
        abilities: what that engine can beyond `Engine`; rows of tables that it cannot make are left out.
    """

    load: Callable[[], Engine]
    abilities: Abilities

    def can_make(self, method: str, task: Task) -> bool:
        """Whether the engine can make a result."""
        if method.endswith(RECONSTRUCTION) and not self.abilities.reconstructs:
            return False
        return self.abilities.starts_from_noise or task.steps.inversion != RANDOM


class Runner:
    """Makes the results that a set of protocols needs.

    Args:
        frames: the true frames.
        protocols: what is measured.
        models: by name; one is in memory at a time.
        observer: sees faces.
        lpips_network: on the observer's device; None leaves LPIPS out.
        store: keeps results.
        options: how the work is done.
    """

    def __init__(
        self,
        frames: FrameSet,
        protocols: Sequence[Protocol],
        models: Mapping[str, ModelEntry],
        observer: FrameSetObserver,
        lpips_network: LpipsNetwork | None,
        store: ResultStore,
        options: RunOptions,
    ):
        self.frames = frames
        self.models = models
        self.observer = observer
        self.lpips_network = lpips_network
        self.store = store
        self.options = options
        self.targets = TargetMaker(frames, observer)
        self.photo_measure = PhotoMeasure(frames, observer.device) if frames.has_photos else None
        self.tasks = {
            method: [task for task in tasks if method in BASELINES or self._entry(method).can_make(method, task)]
            for method, tasks in all_tasks(frames, protocols, list(models)).items()
        }
        self.examples = {pair for protocol in protocols for pair in protocol.pairs[:EXAMPLES]}

    def run(self) -> None:
        """Make what is not there yet."""
        done = self.store.lines().keys()
        pending = {
            method: [
                task
                for index, task in enumerate(tasks)
                if index % self.options.parts == self.options.part and (method, task.key) not in done
            ]
            for method, tasks in self.tasks.items()
        }
        total = sum(len(task.pair.driving) for tasks in pending.values() for task in tasks)
        with tqdm(total=total, desc="Evaluate", unit="frame", disable=not self.options.show_progress) as bar:
            for method in BASELINES:
                for task in pending.get(method, []):
                    self._baseline(method, task)
                    bar.update(len(task.pair.driving))
            for name, entry in self.models.items():
                own = {method: pending.get(method, []) for method in (name, name + RECONSTRUCTION)}
                if any(own.values()):
                    renderer = Renderer(entry.load(), self.options.scheduler, self.options.batch_size)
                    for method, tasks in own.items():
                        for group in groups(tasks, self.options.batch_size):
                            self._model(method, group, renderer)
                            bar.update(sum(len(task.pair.driving) for task in group))

    def missing(self) -> int:
        """How many results are not there yet, whichever process is to make them."""
        done = self.store.lines().keys()
        return sum((method, task.key) not in done for method, tasks in self.tasks.items() for task in tasks)

    def _entry(self, method: str) -> ModelEntry:
        return self.models[method.removesuffix(RECONSTRUCTION)]

    def _baseline(self, method: str, task: Task) -> None:
        target = self.targets(task.pair)
        if not target.driving:
            self._add_nothing(method, task)
            return
        copied = [task.pair.source] * len(target.driving)
        if method in (COPIED_SOURCE, COPIED_DRIVER):
            rows = copied if method == COPIED_SOURCE else target.driving
            self._add(method, task, target, self.frames.images(rows), self.observer.look_at_true_frames(rows), 0.0)
            return
        started = time.perf_counter()
        own = target.own.landmarks.expand(len(target.driving), -1, -1)
        images = warp_by_landmarks(self.frames.images(copied), own, target.wanted.landmarks)
        seconds = time.perf_counter() - started
        seen = self.observer.look(images * self.frames.real(self._crops(task, target)))
        self._add(method, task, target, images, seen, seconds)

    def _model(self, method: str, tasks: list[Task], renderer: Renderer) -> None:
        """Render pairs together; all with the same steps."""
        targets = [self.targets(task.pair) for task in tasks]
        for task, target in zip(tasks, targets, strict=True):
            if not target.driving:
                self._add_nothing(method, task)
        usable = [(task, target) for task, target in zip(tasks, targets, strict=True) if target.driving]
        if not usable:
            return
        started = time.perf_counter()
        parts = self._render(method, usable, renderer)
        counts = [len(target.driving) for _, target in usable]
        seconds = (time.perf_counter() - started) / sum(counts)
        crops = [row for task, target in usable for row in self._crops(task, target)]
        seen = self.observer.look(torch.cat(parts) * self.frames.real(crops))
        for (task, target), images, rows in zip(usable, parts, torch.arange(sum(counts)).split(counts), strict=True):
            self._add(method, task, target, images, seen.rows(rows.tolist()), seconds * len(rows))

    def _render(self, method: str, usable: list[tuple[Task, Target]], renderer: Renderer) -> list[Tensor]:
        steps = usable[0][0].steps
        if method.endswith(RECONSTRUCTION):
            truth = self.frames.images([row for _, target in usable for row in target.driving])
            return list(renderer.reconstruct(truth, steps).split([len(target.driving) for _, target in usable]))
        jobs = [
            Job(task.key, self.frames.images([task.pair.source]), target, self.frames.photo(task.pair.source))
            for task, target in usable
        ]
        return renderer.reenact(jobs, steps)

    @staticmethod
    def _crops(task: Task, target: Target) -> Sequence[int]:
        """True frames in whose crops the results lie: those of the same person, else the source."""
        return target.driving if task.pair.is_same_person else [task.pair.source] * len(target.driving)

    def _add(self, method: str, task: Task, target: Target, images: Tensor, seen: Seen, seconds: float) -> None:
        """Measure and keep one pair."""
        pair, count = task.pair, len(target.driving)
        driving = self.observer.look_at_true_frames(target.driving)
        person = driving if pair.is_same_person else self.observer.look_at_true_frames([pair.source] * count)
        compared = region = None
        if pair.is_same_person:  # where the network of LPIPS runs
            compared = tuple(side.to(self.observer.device) for side in (images, self.frames.images(target.driving)))
            region = self.frames.scored(target.driving).to(self.observer.device) if self.frames.has_photos else None
        compared_by = self.observer.compared_by
        measured = measure(seen, driving, person, compared, self.lpips_network, compared_by, region)
        if self.photo_measure is not None:
            measured = self._with_photo_figures(measured, method, task, target, images)
        if pair in self.examples:
            save_example(self.store.folder, method, task, images)
        line = {"method": method, "key": task.key, "source": self.frames.keys[pair.source]}
        line |= {"driving": [self.frames.keys[row] for row in target.driving], "seconds": round(seconds, 4)}
        line |= {"without_driver": [self.frames.keys[row] for row in pair.driving if row not in target.driving]}
        self.store.add(line | _finite(vars(measured)))

    def _with_photo_figures(
        self, measured: Measured, method: str, task: Task, target: Target, images: Tensor
    ) -> Measured:
        """The same with the figures of `photo_figures.py`; the driver itself has none."""
        if method == COPIED_DRIVER:
            return measured
        values, clip_values = self.photo_measure(images, task.pair, target, is_source=method == COPIED_SOURCE)
        values = {name: value.tolist() for name, value in values.items()}
        return replace(measured, values=measured.values | values, clip_values=measured.clip_values | clip_values)

    def _add_nothing(self, method: str, task: Task) -> None:
        line: Line = {"method": method, "key": task.key, "source": self.frames.keys[task.pair.source], "driving": []}
        line |= {"without_driver": [self.frames.keys[row] for row in task.pair.driving], "seconds": 0.0}
        self.store.add(line | {"values": {}, "clip_values": {}, "motion": [], "wanted": [], "found": []})


def groups(tasks: Sequence[Task], batch_size: int) -> Iterator[list[Task]]:
    """Neighbouring tasks with the same steps, together at least a batch of frames."""
    group: list[Task] = []
    for task in tasks:
        if group and group[0].steps != task.steps:
            yield group
            group = []
        group.append(task)
        if sum(len(member.pair.driving) for member in group) >= batch_size:
            yield group
            group = []
    if group:
        yield group


def example_path(folder: Path, method: str, task: Task) -> Path:
    """Where the example image of a result lies."""
    name = "".join(letter if letter.isalnum() else "_" for letter in method)
    return image_path(folder, f"{name}-{task.key}")


def image_path(folder: Path, name: str) -> Path:
    """A file for an image; a name that is too long for a file system ends in its hash."""
    if len(name.encode()) > MAX_NAME:
        name = f"{name[: MAX_NAME // 2]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return folder / IMAGES / f"{name}.png"


def example_position(count: int) -> int:
    """Which of the driving frames is shown."""
    return count // 2


def save_example(folder: Path, method: str, task: Task, images: Tensor) -> None:
    """Keep one image of a result for the report."""
    path = example_path(folder, method, task)
    path.parent.mkdir(exist_ok=True)
    is_generated = method not in BASELINES
    save_png(path, model_to_uint8(images[[example_position(len(images))]])[0], provenance=is_generated)


def _finite(value: Any) -> Any:
    """The same with None for NaN, which JSON does not have, and six digits."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
