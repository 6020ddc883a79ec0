"""The command line of the GPU benchmark.

    python -m benchmarks.gpu [--minutes 9] [--sections NAME ...] [--output FILE] [--again]
    python -m benchmarks.gpu --device cpu --tiny     everything in little, to see that it works

Needs torch and what this package needs; downloads nothing. Finished sections stay in the file: the same command again
does those that are missing. What cannot be measured here is left out by name. Exit code 1 if something failed or is
less precise than it must be.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from diffusionact.devices import choose_device

from . import codecs, engines, golden, memory, precision, training, unet_speed
from .machine import describe
from .report import print_report
from .sections import Bench, Row, Section, run_sections
from .sizes import FULL, TINY

# In order of importance: what comes last is what is missing when time is short.
SECTIONS = (
    Section("precision", "float32 against what is faster", precision.cases, share=3.0),
    Section("unet", "a call of the UNet", unet_speed.cases, share=3.0),
    Section("engines", "from file to file", engines.cases, share=4.0),
    Section("memory", "peak memory by chunk size", memory.cases, share=1.0),
    Section("training", "training steps", training.cases, share=2.0),
    Section("codecs", "encoding and decoding of video", codecs.cases, share=0.5),
    Section("golden", "outputs of the official code", golden.cases, share=2.0),
)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [section.name for section in SECTIONS]
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1, cpu (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=9.0, help="for everything (default: %(default)s)")
    parser.add_argument("--sections", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--tiny", action="store_true", help="tiny networks and clips")
    parser.add_argument("--again", action="store_true", help="measure finished sections again")
    parser.add_argument("--output", type=Path, default=Path("output/gpu.json"), help="default: %(default)s")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the sections, print the tables; returns the exit code."""
    options = build_parser().parse_args(arguments)
    device = choose_device(options.device)
    chosen = [section for section in SECTIONS if section.name in options.sections]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        bench = Bench(device, TINY if options.tiny else FULL, Path(folder))
        machine = describe(device) | {"tiny": options.tiny}
        results = run_sections(chosen, bench, machine, 60 * options.minutes, options.output, options.again)
    print_report(results, {section.name: section.title for section in SECTIONS})
    print(f"written to {options.output}")
    return int(any(is_bad(section) for section in results["sections"].values()))


def is_bad(section: Row) -> bool:
    """Whether something failed or was less precise than it must be."""
    return bool(section["failed"]) or not all(row.get("passed", True) for row in section["rows"])


if __name__ == "__main__":
    sys.exit(main())
