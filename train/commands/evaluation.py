"""Evaluation by all processes that Accelerate started: each makes its part of the results, the last writes the report.

Processes exchange nothing: they meet in the output folder, so that a slow one keeps nobody waiting.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

import torch
from accelerate import PartialState

from diffusionact.commands.evaluate import Share, add_arguments, run_share

from .training import check_launcher

BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Do this process's part; returns 0, 2 for bad input, with a message on stderr, or 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="evaluate.py", description="Evaluate with several processes or GPUs.")
    add_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        if options.part is not None:
            raise ValueError(
                f"Expected no --part here, received {options.part!r}: every process takes its own. Leave it out, or "
                "start processes of your own with `diffusionact evaluate`."
            )
        if options.ray is not None:
            raise ValueError(
                "Expected no --ray under accelerate launch, which starts the processes itself. Use `diffusionact "
                "evaluate --ray`."
            )
        check_launcher()
        state = PartialState(cpu=options.device == "cpu")
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        code = run_share(options, Share(state.process_index, state.num_processes, state.device))
        state.destroy_process_group()
        return code or 0
    except (ValueError, OSError, ModuleNotFoundError) as error:
        sys.stderr.write(f"evaluate.py: {error}\n")
        return BAD_INPUT
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        reason = str(error).split(". ")[0] or "none left"
        sys.stderr.write(f"evaluate.py: Expected enough memory, received: {reason}. Choose a smaller --batch-size.\n")
        return BAD_INPUT
