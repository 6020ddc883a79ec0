"""`diffusionact weights`: which of the authors' files are there, whether they are whole, and how to bring them."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..weights import CATALOGUE, OfficialFile, catalogue_entry, weights_folder
from .weights_report import describe, is_present, model_names, problem

logger = logging.getLogger(__name__)

FAILED = 1
DOWNLOADS = "downloads"
# Files of no use in a folder that a person imports may be many.
MAX_LEFT_SHOWN = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="every file: what for, from where, licence, found or missing")
    listing.set_defaults(run=run_list)
    check = actions.add_parser("check", help="read everything fully; exit code 1 if something is broken")
    check.set_defaults(run=run_check)
    bring = actions.add_parser("import", help="recognise the authors' files and convert them into the weights folder")
    bring.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="file, folder, zip or tar archive")
    bring.add_argument("--overwrite", action="store_true", help="replace what is there already")
    bring.set_defaults(run=run_import)
    fetch = actions.add_parser("fetch", help="download a file whose licence allows it, and import it")
    fetch.add_argument("name", help="see `diffusionact weights list`")
    fetch.add_argument("--yes", action="store_true", help="agree to the licence without being asked")
    fetch.add_argument("--url", help="another address of the same file; its hash is checked all the same")
    fetch.add_argument("--overwrite", action="store_true", help="replace what is there already")
    fetch.set_defaults(run=run_fetch)


def run_list(_: argparse.Namespace) -> int:
    """Say what is known of every file, and whether it is there."""
    logger.info("Weights folder: %s\n", weights_folder())
    for entry in CATALOGUE:
        logger.info("%s\n", describe(entry))
    if names := model_names():
        logger.info("Models here, for --model: %s", ", ".join(names))
    return 0


def run_check(_: argparse.Namespace) -> int:
    """Read every part fully and build its network; 1 if one is broken."""
    logger.info("Weights folder: %s\n", weights_folder())
    num_broken = 0
    components = dict.fromkeys(entry.component for entry in CATALOGUE if entry.component)
    for component in components:
        entries = [entry for entry in CATALOGUE if entry.component == component]
        if not is_present(component):
            needs = "; ".join(dict.fromkeys(entry.how_to_get for entry in entries))
            logger.info("missing  %s: %s", component, needs)
            continue
        num_broken += _say(component, problem(component))
    for name in model_names():
        if name not in components:
            num_broken += _say(name, problem(name))
    return FAILED if num_broken else 0


def run_import(options: argparse.Namespace) -> int:
    """Import files, folders and archives; 1 if something asked for could not be imported."""
    return _import(options.paths, options.overwrite)


def run_fetch(options: argparse.Namespace) -> int:
    """Download a file whose terms allow it, after showing them, and import it.

    Raises:
        ValueError: if the terms do not allow it, with what to do instead, or nobody agreed to them.
        OSError: if the download fails.
    """
    entry = catalogue_entry(options.name)
    if not entry.url:
        raise ValueError(
            f"Expected a file that may be downloaded directly ({', '.join(_fetchable())}), received {entry.name!r}, "
            f"whose terms are: {entry.licence}. To get it, {entry.how_to_get}; then run `diffusionact weights import` "
            "with what you downloaded."
        )
    if is_present(entry.component) and not options.overwrite:
        logger.info("There already: %s in %s; --overwrite fetches it again.", entry.component, weights_folder())
        return 0
    entry = replace(entry, url=options.url or entry.url)
    _ask(entry, options.yes)
    from ..weights.download import download

    path = weights_folder() / DOWNLOADS / entry.file_names[0]
    try:
        download(entry.url, path, entry.sha256_starts[0])
    except KeyboardInterrupt:
        logger.info("\nWhat has arrived is kept; the same command goes on from there.")
        raise
    code = _import([path], overwrite=True)
    if code == 0:
        path.unlink()
    return code


def _import(paths: Sequence[Path], overwrite: bool) -> int:
    from ..conversion.importing import import_files

    outcomes = import_files(paths, weights_folder(), overwrite)
    num_left = 0
    for outcome in outcomes:
        num_left += outcome.what == "unknown" and outcome.status == "left"
        if outcome.what != "unknown" or outcome.status != "left" or num_left <= MAX_LEFT_SHOWN:
            logger.info("%-8s  %s\n          %s: %s", outcome.status, outcome.shown, outcome.what, outcome.result)
    if num_left > MAX_LEFT_SHOWN:
        logger.info("... and %d more files of no use here", num_left - MAX_LEFT_SHOWN)
    counts = Counter(outcome.status for outcome in outcomes)
    numbers = ", ".join(f"{count} {status}" for status, count in counts.items()) or "no file that could be one of them"
    logger.info("\n%s. `diffusionact weights list` shows what is still missing.", numbers)
    return 0 if counts["imported"] + counts["kept"] and not counts["failed"] else FAILED


def _ask(entry: OfficialFile, is_agreed: bool) -> None:
    logger.info("%s: %s\nfrom:    %s\nlicence: %s", entry.name, entry.purpose, entry.url, entry.licence)
    if is_agreed:
        return
    try:
        answer = input("Download it under these terms? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise ValueError(
            f"Expected a yes to the terms of {entry.name}, received {answer!r}. Nothing was downloaded; --yes agrees "
            "without asking."
        )


def _say(part: str, broken: str | None) -> bool:
    logger.info("%s  %s%s", "BROKEN " if broken else "whole  ", part, f": {broken}" if broken else "")
    return broken is not None


def _fetchable() -> list[str]:
    return [entry.name for entry in CATALOGUE if entry.url]
