"""Sections within their share of the time; what is finished is in the file, whatever happens next."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from diffusionact.devices import free_memory
from diffusionact.images import written_under_temporary_name

from .sizes import Sizes

Row = dict[str, Any]


class LeftOutError(Exception):
    """A case that cannot be measured on this machine; the message says why."""


class OutOfTimeError(BaseException):
    """The section's time is up. Not an `Exception`: compilers and loaders would take it for one of theirs."""


@dataclass(frozen=True)
class Bench:
    """What every section works with.

    Attributes:
        device: that is measured.
        sizes: of networks, clips and series.
        folder: for files that nobody needs afterwards.
    """

    device: torch.device
    sizes: Sizes
    folder: Path


@dataclass(frozen=True)
class Case:
    """One row of a table: its name, and the function that measures it."""

    name: str
    measure: Callable[[], Row]


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        name: in the file.
        title: in the printed table.
        cases: its rows to be, the most important ones first.
        share: of the time that is left, in relation to the other sections' shares.
    """

    name: str
    title: str
    cases: Callable[[Bench], Iterator[Case]]
    share: float


def run_sections(
    sections: Sequence[Section], bench: Bench, machine: Row, seconds: float, output: Path, again: bool = False
) -> Row:
    """Run the sections that the file does not have yet, and write it after each.

    Args:
        sections: in their order.
        bench: what they work with.
        machine: a file of another machine or other versions is begun anew.
        seconds: for all of them.
        output: JSON file.
        again: also run those that are finished.
    """
    results = _read(output, machine)
    end = time.monotonic() + seconds
    waiting = [section for section in sections if again or not _is_finished(results, section)]
    for number, section in enumerate(waiting):
        left = max(0.0, end - time.monotonic())
        limit = left * section.share / sum(later.share for later in waiting[number:])
        results["sections"][section.name] = run_section(section, bench, limit)
        output.parent.mkdir(parents=True, exist_ok=True)
        with written_under_temporary_name(output) as temporary:
            temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        free_memory()
    return results


def run_section(section: Section, bench: Bench, limit: float) -> Row:
    """Rows of one section, what was left out and why, and what failed; ends after `limit` seconds."""
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    failed: dict[str, str] = {}
    begun, finished = time.monotonic(), True
    for case in section.cases(bench):
        left = limit - (time.monotonic() - begun)
        try:
            if left <= 0:
                raise OutOfTimeError
            print(f"{section.name}: {case.name} ...", flush=True)
            with _ended_after(left):
                rows.append({"case": case.name, **case.measure()})
        except LeftOutError as reason:
            left_out[case.name] = str(reason)
        except OutOfTimeError:
            left_out[case.name], finished = "no time left", False
        except Exception as error:  # one failure must not cost the other figures; it is told, and in the exit code
            failed[case.name] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    seconds = round(time.monotonic() - begun, 1)
    return {"finished": finished, "seconds": seconds, "rows": rows, "left_out": left_out, "failed": failed}


@contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in the middle of what runs; where there are no such signals, only between cases."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _read(output: Path, machine: Row) -> Row:
    if output.is_file():
        results = json.loads(output.read_text(encoding="utf-8"))
        if results.get("machine") == machine:
            return results
        print(f"{output} is of another machine, version or size: everything is measured anew")
    return {"machine": machine, "sections": {}}


def _is_finished(results: Row, section: Section) -> bool:
    return results["sections"].get(section.name, {}).get("finished", False)
