"""Compiled UNets draw the same, in calls of a fixed size; what is missing for it is told.

The compiler itself is left out here: blocks go through torch's tracing, and run as they were traced.
"""

from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from tiny_model import fill_randomly, make_tiny_components

from diffusionact.generation import DiffusionEngine, Sampling
from diffusionact.generation.acceleration import Acceleration, accelerate
from diffusionact.models import UNet


@pytest.fixture
def traced(monkeypatch, tmp_path):
    """Grows by an entry whenever torch would compile."""
    compiled = []

    def compile_fx(graph, example_inputs, **_):
        compiled.append(graph)
        return graph

    monkeypatch.setattr("torch._inductor.compile_fx.compile_fx", compile_fx)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    return compiled


@pytest.fixture
def engine():
    """With a decoder of four blocks: each takes its time to be traced."""
    sizes = {"sample_size": 8, "block_out_channels": (8,), "layers_per_block": 1, "attention_resolutions": ()}
    unet = UNet(**sizes, semantic_dim=16, time_dim=8, norm_groups=4)
    return DiffusionEngine(replace(make_tiny_components(), unet=fill_randomly(unet, 0))).to("cpu")


def test_compiled_blocks_draw_the_same_for_any_number_of_frames(engine, traced):
    x_T, codes = torch.randn(5, 3, 8, 8), torch.randn(5, 16)
    expected = engine.sample(x_T, codes, 2, "ddim_quad")
    done = []
    accelerate(engine, Acceleration(compiled_batch=2), Sampling(), lambda *step: done.append(step))
    count = len(traced)
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)] and count >= 3
    assert engine.compiled[engine.unet].unet.conv_in.weight is engine.unet.conv_in.weight
    for rows in (1, 2, 5):
        torch.testing.assert_close(engine.sample(x_T[:rows], codes[:rows], 2, "ddim_quad"), expected[:rows])
    assert len(traced) == count, "nothing is compiled again while frames are rendered"
    assert not engine.to("cpu", torch.float64).compiled, "what moves is not what was compiled"


def test_without_a_compiler_rendering_goes_on(engine, monkeypatch, caplog):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    accelerate(engine, Acceleration(compiled_batch=1), Sampling())
    assert not engine.compiled and "No C++ compiler was found" in caplog.text


def test_where_compiling_fails_rendering_goes_on(engine, traced, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("Python.h: no such file")

    monkeypatch.setattr("torch._inductor.compile_fx.compile_fx", fail)
    accelerate(engine, Acceleration(compiled_batch=1), Sampling())
    assert not engine.compiled and "rendering goes on without" in caplog.text
    assert torch.isfinite(engine.sample(torch.randn(1, 3, 8, 8), torch.randn(1, 16), 2, "ddim_quad")).all()


def test_xformers_is_rejected_without_a_gpu(engine, monkeypatch):
    monkeypatch.setattr("diffusionact.generation.acceleration.find_spec", lambda name: name)
    with pytest.raises(ValueError, match="Expected a GPU for the attention 'xformers', received the device 'cpu'"):
        accelerate(engine, Acceleration(attention="xformers"), Sampling())


@pytest.mark.skipif(find_spec("xformers") is not None, reason="the package xformers is installed")
def test_a_missing_xformers_is_named(engine):
    with pytest.raises(ModuleNotFoundError, match=r"pip install diffusionact\[gpu\]"):
        accelerate(engine, Acceleration(attention="xformers"), Sampling())


@pytest.mark.parametrize("wrong", [{"compiled_batch": 0}, {"attention": "flash"}])
def test_impossible_accelerations_are_rejected(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Acceleration(**wrong)
