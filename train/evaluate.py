"""Entry point: `accelerate launch train/evaluate.py ...`: `diffusionact evaluate`, its pairs shared between GPUs."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # A script's own folder comes first on the path; there `train` would be a file instead of the package.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from train.commands.evaluation import main

    sys.exit(main())
