"""What a program hears of a stream of frames, and how it ends it."""

import pytest
import torch
from tiny_model import make_tiny_components

from diffusionact import DiffusionActPipeline
from diffusionact.pipelines import StreamHooks


class Interrupted(Exception):
    """What a host program raises."""


@pytest.fixture(scope="module")
def pipeline():
    return DiffusionActPipeline(make_tiny_components())


@pytest.fixture(scope="module")
def source(pipeline, portrait):
    return pipeline.encode_source(portrait)


@pytest.mark.parametrize("chunk_size", [1, 2, 4])
def test_steps_of_a_stream_are_counted_per_frame(pipeline, source, portrait, chunk_size):
    done, chunks = [], []
    hooks = StreamHooks(on_step=lambda steps, preview: done.append(steps), before_chunk=chunks.append)
    list(pipeline.stream(source, portrait.expand(5, -1, -1, -1), chunk_size=chunk_size, hooks=hooks))
    assert done == sorted(done) and done[-1] == 5 * 2
    assert sum(chunks) == 5 and max(chunks) <= chunk_size


@pytest.mark.parametrize("chunk_size", [0, -1])
def test_a_chunk_size_that_holds_no_frame_is_rejected(pipeline, source, portrait, chunk_size):
    with pytest.raises(ValueError, match="chunk_size"):
        list(pipeline.stream(source, portrait[None], chunk_size=chunk_size))
    with pytest.raises(ValueError, match="chunk_size"):
        pipeline.decode(source, source.semantic_code, chunk_size=chunk_size)


def test_previews_come_with_the_steps(pipeline, source, portrait):
    previews = []
    hooks = StreamHooks(on_step=lambda steps, preview: previews.append(preview))
    list(pipeline.stream(source, portrait.expand(2, -1, -1, -1), chunk_size=2, hooks=hooks))
    assert [tuple(preview.shape) for preview in previews] == [(2, 3, 32, 32)] * 2


def test_an_interruption_ends_the_stream(pipeline, source, portrait):
    asked = []

    def check():
        asked.append(True)
        if len(asked) > 6:
            raise Interrupted

    hooks = StreamHooks(check_interrupted=check)
    with pytest.raises(Interrupted):
        list(pipeline.stream(source, portrait.expand(40, -1, -1, -1), chunk_size=2, hooks=hooks))
    assert len(asked) < 12


def test_out_of_memory_halves_the_chunks_and_changes_nothing(pipeline, source, portrait, monkeypatch):
    frames = torch.stack([torch.roll(portrait, 3 * index, dims=1) for index in range(5)])
    whole = torch.cat([frame.image for frame in pipeline.stream(source, frames, chunk_size=4)])
    freed, render, sizes = [], pipeline.engine.render, []

    def small_device(source, conditioning, *rest):
        sizes.append(len(conditioning))
        if len(conditioning) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return render(source, conditioning, *rest)

    monkeypatch.setattr(pipeline.engine, "render", small_device)
    hooks = StreamHooks(free_memory=lambda: freed.append(True))
    halved = torch.cat([frame.image for frame in pipeline.stream(source, frames, chunk_size=4, hooks=hooks)])
    torch.testing.assert_close(halved, whole, atol=1e-4, rtol=0)
    assert freed == [True] and sizes == [4, 2, 2, 1]
