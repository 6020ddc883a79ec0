"""Chunks that become smaller when memory runs out."""

import pytest
import torch

from diffusionact.generation.chunks import in_chunks, ran_out_of_memory


class Device:
    """Computes with rows, and has memory for so many of them."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.attempts = []
        self.times_freed = 0

    def work(self, rows: slice) -> torch.Tensor:
        size = rows.stop - rows.start
        self.attempts.append(size)
        if size > self.capacity:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return torch.arange(rows.start, rows.stop) * 10

    def free_memory(self) -> None:
        self.times_freed += 1


@pytest.mark.parametrize("capacity", [1, 2, 3, 8])
def test_the_result_does_not_depend_on_the_memory(capacity):
    device = Device(capacity)
    chunks = list(in_chunks(device.work, 11, 8, device.free_memory))
    assert torch.equal(torch.cat(chunks), torch.arange(11) * 10)
    assert max(len(chunk) for chunk in chunks) <= capacity


def test_a_size_that_fitted_is_kept():
    device = Device(2)
    list(in_chunks(device.work, 8, 8, device.free_memory))
    assert device.attempts == [8, 4, 2, 2, 2, 2]
    assert device.times_freed == 2


def test_no_room_for_one_frame_is_a_clear_error():
    device = Device(0)
    with pytest.raises(torch.OutOfMemoryError, match="unload other models"):
        list(in_chunks(device.work, 3, 4, device.free_memory))


def test_other_errors_pass():
    def fail(rows: slice) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        list(in_chunks(fail, 3, 4, lambda: None))


def test_an_allocator_of_the_cpu_counts_as_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50, dtype=torch.uint8)
    assert ran_out_of_memory(caught.value)
