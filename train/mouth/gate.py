"""Whether the model may ship: `python -m train.mouth.gate RUN/model CLIP... --people 12 [--sheets FOLDER]`.

Every clip's most shut mouth is the source of its open ones; the people are rendered and new. Figures are means over
frames, inside the lips of the aligned image of 256 px; the last line says which conditions hold.
"""

from __future__ import annotations

from ..experiments.guided_gate import Sheets, conditions, gate_command
from .network import MouthModel
from .scenes import Judge

# What must hold: dB over the blurred warp, dB that another's code costs.
MIN_GAIN, MIN_CODE = 0.5, 0.3
SHEETS = Sheets(enlarged=2.0, layout=(3, 5), part=(slice(140, 230), slice(78, 178)))


def mouth_conditions(means: dict[str, dict[str, float]]) -> dict[str, bool]:
    """Each condition of the gate that figures tell, and whether it holds."""
    code = means["model"].get("code, dB", 0.0)
    return conditions(means, MIN_GAIN) | {f"another's code costs {MIN_CODE} dB": code >= MIN_CODE}


def main() -> None:
    """Command line."""
    gate_command(
        __doc__,
        "train.mouth.fitting",
        lambda folder, steps: Judge(MouthModel.load(folder), steps),
        mouth_conditions,
        SHEETS,
    )


if __name__ == "__main__":
    main()
