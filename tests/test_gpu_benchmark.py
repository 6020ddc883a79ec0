"""`python -m benchmarks.gpu` in tiny on the CPU: every section, resuming, and what a failing or slow case does."""

import json
import math
import time

import pytest
import torch

from benchmarks.gpu.__main__ import SECTIONS, main
from benchmarks.gpu.sections import Bench, Case, LeftOutError, Section, run_section
from benchmarks.gpu.sizes import TINY

LEFT_OUT_ON_A_CPU = {"precision", "unet", "codecs", "golden"}


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for part in value for number in numbers(part)]
    return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


@pytest.mark.slow
def test_every_section_measures_something_and_finished_ones_are_kept(tmp_path, capsys):
    output = tmp_path / "gpu.json"
    words = ["--device", "cpu", "--tiny", "--minutes", "30", "--output", str(output)]
    assert main(words) == 0
    results = json.loads(output.read_text())
    assert list(results["sections"]) == [section.name for section in SECTIONS]
    for name, section in results["sections"].items():
        assert section["finished"] and not section["failed"], section
        assert section["rows"] or name == "golden"
        assert bool(section["left_out"]) == (name in LEFT_OUT_ON_A_CPU)
        measured = numbers(section["rows"])
        assert all(math.isfinite(number) and number >= 0 for number in measured)
        assert sum(number > 0 for number in measured) >= len(section["rows"])
    cases = {row["case"] for row in results["sections"]["engines"]["rows"]}
    assert cases == {
        "photo", "random diffusion: fast", "random diffusion: paper", "official procedure, decoding alone",
        "random directions",
    }  # fmt: skip
    assert "| case | steps_per_second |" in capsys.readouterr().out
    before = output.read_bytes()
    assert main(words) == 0 and output.read_bytes() == before, "finished sections must not be measured again"


def test_a_case_that_fails_or_takes_too_long_costs_no_other(tmp_path):
    def fail():
        raise RuntimeError("broken")

    def lack():
        raise LeftOutError("not on this machine")

    def wait():
        time.sleep(60)

    def cases(bench):
        named = {"bad": fail, "good": lambda: {"ms": 1.0}, "absent": lack, "slow": wait, "late": lambda: {"ms": 2.0}}
        return (Case(name, function) for name, function in named.items())

    section = Section("section", "a section", cases, share=1.0)
    result = run_section(section, Bench(torch.device("cpu"), TINY, tmp_path), limit=0.5)
    assert result["rows"] == [{"case": "good", "ms": 1.0}]
    assert result["failed"] == {"bad": "RuntimeError: broken"}
    assert result["left_out"] == {
        "absent": "not on this machine", "slow": "no time left", "late": "no time left"
    }  # fmt: skip
    assert not result["finished"] and result["seconds"] < 30
