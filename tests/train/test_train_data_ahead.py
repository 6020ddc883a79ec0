"""Batches prepared ahead."""

import threading
import time

import numpy as np
import pytest

from train.data.ahead import BATCHES_PER_WORKER, BatchesAhead
from train.data.pairs import FrameOrder


def squares(index: int) -> np.ndarray:
    time.sleep(0.002 * (index % 3))  # so that later batches are ready before earlier ones
    return np.full(4, index**2)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_come_in_order_whatever_the_number_of_workers(workers):
    with BatchesAhead(squares, workers) as batches:
        assert [int(batches(index)[0]) for index in range(20)] == [index**2 for index in range(20)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_begins_later_sees_the_same_batches(workers):
    order = FrameOrder(np.arange(7), batch_size=3, seed=5)
    with BatchesAhead(order.batch, workers) as batches:
        whole = [batches(index).tolist() for index in range(30)]
    again = FrameOrder(np.arange(7), batch_size=3, seed=5)
    with BatchesAhead(again.batch, workers) as batches:
        assert [batches(index).tolist() for index in range(11, 30)] == whole[11:]


def test_batches_are_prepared_ahead_and_no_more_than_agreed():
    made = []
    with BatchesAhead(lambda index: made.append(index) or index, workers=2) as batches:
        assert batches(0) == 0
        deadline = time.monotonic() + 120
        while len(made) < 1 + 2 * BATCHES_PER_WORKER and time.monotonic() < deadline:
            time.sleep(0.005)
        assert sorted(made) == list(range(1 + 2 * BATCHES_PER_WORKER))
        assert batches(1) == 1


def test_an_error_is_raised_at_its_own_batch_and_the_next_ones_go_on():
    def make(index: int) -> int:
        if index == 2:
            raise ValueError("a damaged shard")
        return index

    with BatchesAhead(make, workers=2) as batches:
        assert [batches(0), batches(1)] == [0, 1]
        with pytest.raises(ValueError, match="a damaged shard"):
            batches(2)
        assert batches(3) == 3


def test_a_jump_forgets_what_was_prepared():
    with BatchesAhead(squares, workers=2) as batches:
        assert int(batches(0)[0]) == 0
        assert int(batches(50)[0]) == 2500
        assert int(batches(3)[0]) == 9


def test_closing_ends_the_threads():
    before = threading.active_count()
    batches = BatchesAhead(squares, workers=3)
    batches(0)
    batches.close()
    assert threading.active_count() == before
