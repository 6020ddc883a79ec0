"""Entry point: `python train/prepare.py --input VIDEOS --output SHARDS`. See `commands/preparation.py`."""

import os

# One thread a process; must be set before numpy loads its linear algebra.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

if __name__ == "__main__":
    # A script's own folder comes first on the path; there `train` would be `train.py` instead of the package.
    if __package__ is None:
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from train.commands.preparation import main

    sys.exit(main())
