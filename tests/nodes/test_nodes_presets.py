"""Presets belong to the model: what pages and translations say of the demo model is what its model_index.json says."""

import json
from pathlib import Path

import pytest
from toy_engine import ToyEngine

from diffusionact.generation import DiffusionEngine
from diffusionact.weights import DEMO_FOLDER

ROOT = Path(__file__).resolve().parents[2]
PRESETS = json.loads((DEMO_FOLDER / "model_index.json").read_text())["diffusionact"]["presets"]
MEASURED = json.loads((ROOT / "benchmarks" / "results" / "presets.json").read_text())["rows"]
NODES = ("DiffusionAct_Decode", "DiffusionAct_ReenactVideo")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("node", NODES)
def test_help_pages_name_the_demo_models_presets(node):
    english = ", ".join(f"{name} is {sampler} {steps}" for name, (sampler, steps) in PRESETS.items())
    chinese = "，".join(f"{name} 为 {sampler} {steps}" for name, (sampler, steps) in PRESETS.items())
    assert f"Of the demo model: {english}." in read(f"web/docs/{node}.md")
    assert f"演示模型：{chinese}。" in read(f"web/docs/{node}/zh.md")
    translated = json.loads(read("locales/zh/nodeDefs.json"))[node]["inputs"]["preset"]["tooltip"]
    assert f"演示模型：{chinese}。" in translated


def test_the_table_of_presets_is_the_demo_models_and_as_measured():
    assert {row["preset"]: [row["sampler"], row["steps"]] for row in MEASURED} == PRESETS
    for row in MEASURED:
        assert f"| {row['preset']} | {row['sampler']} {row['steps']} | {row['psnr_db']} dB |" in read("docs/comfyui.md")


@pytest.fixture
def chosen(comfy_module):
    """`chosen_sampling` for a model of the engine diffusion, and for one without presets."""
    chosen_sampling = comfy_module("inputs").chosen_sampling
    return lambda engine, preset, scheduler="unipc": chosen_sampling(engine, preset, 7, scheduler)


@pytest.fixture
def tiny_engine(tiny_components):
    return DiffusionEngine(tiny_components)


def test_a_preset_is_the_models_own(chosen, tiny_engine):
    assert chosen(tiny_engine, "fast") is tiny_engine.presets["fast"]
    own = chosen(tiny_engine, "custom")
    assert (own.num_inference_steps, own.scheduler) == (7, "unipc")


def test_a_model_without_the_preset_samples_in_its_own_way(chosen):
    own = chosen(ToyEngine(), "balanced")
    assert (own.num_inference_steps, own.scheduler) == (None, None)


def test_what_the_model_cannot_sample_is_said_before_any_work(chosen, tiny_engine):
    with pytest.raises(ValueError, match="decoder of few steps"):
        chosen(tiny_engine, "custom", "distilled")
