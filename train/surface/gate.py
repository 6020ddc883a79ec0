"""Whether the model may ship: `python -m train.surface.gate RUN/model CLIP... --people 12 [--sheets FOLDER]`.

The sources of a clip are its most frontal frame and those turned farthest to each side; the people are rendered and
new. Figures are means over frames, where the model paints in the aligned image of 256 px; the last line says which
conditions hold.
"""

from __future__ import annotations

from ..experiments.guided_gate import Sheets, conditions, gate_command
from .network import SurfaceModel
from .scenes import Judge

# dB over the blurred warp that must be gained.
MIN_GAIN = 0.3
SHEETS = Sheets(enlarged=1.0, layout=(2, 5))


def main() -> None:
    """Command line."""
    gate_command(
        __doc__,
        "train.surface.fitting",
        lambda folder, steps: Judge(SurfaceModel.load(folder), steps),
        lambda means: conditions(means, MIN_GAIN),
        SHEETS,
    )


if __name__ == "__main__":
    main()
