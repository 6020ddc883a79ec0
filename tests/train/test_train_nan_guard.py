"""The guard against losses that are not finite, as on a GPU: asked now and then, not at every step."""

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors import safe_open
from test_train_loop import make_loop

from train.loop import NonFiniteLossError
from train.loop.nan_guard import NanGuard


def scalars(loss: float) -> list[dict[str, torch.Tensor]]:
    return [{"loss": torch.tensor(loss), "pixel": torch.tensor(0.5)}]


def test_the_first_bad_step_is_reported_however_late(write_run, tmp_path):
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=True)
    loop = make_loop(write_run(), accelerator)
    guard = NanGuard(loop.stage, 1, tmp_path / "bad", accelerator, at_once=False)
    guard.watch(4, scalars(1.0), torch.tensor(2.0))
    guard.check()
    guard.watch(5, scalars(1.5), torch.tensor(torch.inf))
    guard.watch(6, scalars(torch.nan), torch.tensor(torch.nan))
    with pytest.raises(NonFiniteLossError, match="step 5 .*0.loss 1.5, 0.pixel 0.5, gradient_norm inf"):
        guard.check()
    with safe_open(tmp_path / "bad/step-0000005-process-0.safetensors", "pt") as file:
        torch.testing.assert_close(file.get_tensor("0.image"), loop.stage.batch(5)["image"].contiguous())
