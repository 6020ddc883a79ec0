"""Reading ahead: order, errors, and one chunk in advance."""

import threading

import pytest
import torch

from diffusionact.pipelines.reading_ahead import chunks_ahead


def test_items_come_in_order_and_all_of_them():
    assert list(chunks_ahead(iter(range(7)), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunks_ahead(iter([]), 3)) == []


def test_one_chunk_is_prepared_while_another_is_in_use():
    prepared = [threading.Event() for _ in range(6)]

    def items():
        for index, event in enumerate(prepared):
            event.set()
            yield index

    chunks = chunks_ahead(items(), 2)
    assert next(chunks) == [0, 1]
    assert prepared[3].wait(5), "the second chunk is prepared although only the first was taken"
    assert not prepared[4].is_set()
    chunks.close()


def test_an_error_comes_after_the_chunks_before_it():
    def items():
        yield from (1, 2)
        raise ValueError("the third")

    chunks = chunks_ahead(items(), 2)
    assert next(chunks) == [1, 2]
    with pytest.raises(ValueError, match="the third"):
        next(chunks)


def test_an_interruption_of_the_preparing_thread_reaches_the_user():
    def items():
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(chunks_ahead(items(), 1))


def test_items_are_prepared_without_gradients():
    weight = torch.ones(1, requires_grad=True)
    (chunk,) = chunks_ahead((weight * factor for factor in (1, 2)), 2)
    assert not any(item.requires_grad for item in chunk)


def test_the_thread_is_gone_when_the_reader_is_closed():
    chunks = chunks_ahead(iter(range(10)), 1)
    next(chunks)
    chunks.close()
    assert not any(thread.name.startswith("reading-ahead") for thread in threading.enumerate())
