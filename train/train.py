"""Entry of `accelerate launch train/train.py --config train/configs/demo/<stage>.yaml`: `commands/training.py`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # A script's own folder comes first on the path; there `train` would be this file instead of the package.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from train.commands.training import run

    sys.exit(run())
