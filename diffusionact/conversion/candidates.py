"""Which one to take where several files are the same thing: EMOCA's best checkpoint, FLAME's generic head."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .archives import FoundFile

OFFICIAL_EMOCA = "EMOCA_v2_lr_mse_20"
DETAIL_STAGE = "detail"
# EMOCA's checkpoints end in their score, such as "val_loss=3.215.ckpt"; "last.ckpt" has none.
SCORE = re.compile(r"=(-?\d+(?:\.\d+)?)[^=]*$")
# model/detail/checkpoints/epoch=3-val_loss/loss=3.2.ckpt is the deepest that was seen.
SETTINGS_DEPTH = 4
# Heads of FLAME's archive that the official code does not take.
OTHER_HEADS = ("female", "male", "no_jaw")


def best_candidate(name: str, files: Sequence[FoundFile]) -> FoundFile:
    """The file to take.

    Args:
        name: in the catalogue.
        files: at least one, all recognised as that.

    Raises:
        ValueError: if there are several, and nothing tells which.
    """
    if name == "emoca":
        return _best_emoca(files)
    if name == "flame":
        return min(files, key=lambda file: _flame_rank(file.path.name))
    if name == "insightface":
        return max(files, key=lambda file: file.path.stat().st_size)  # the largest network
    return files[0]


def emoca_settings(checkpoint: Path) -> Path | None:
    """cfg.yaml of the model that a checkpoint belongs to: some folders above it, if it is there."""
    candidates = (folder / "cfg.yaml" for folder in list(checkpoint.parents)[:SETTINGS_DEPTH])
    return next((path for path in candidates if path.is_file()), None)


def check_expression_width(width: int, settings: Path) -> str:
    """Hold the width of EMOCA's expression encoder against the settings that it was trained with.

    50 numbers, and three more for each rotation that the options exp_deca_jaw_pose and exp_deca_global_pose give it.

    Args:
        width: numbers that the encoder gives.
        settings: cfg.yaml.

    Returns:
        What was found, for messages.

    Raises:
        ValueError: if the settings belong to another model, or to one whose numbers would be taken for others.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        return "cfg.yaml was not compared: PyYAML is not installed"
    try:
        content = yaml.safe_load(settings.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return "cfg.yaml was not compared: it cannot be read"
    model = _model_section(content)
    if model is None:
        return "cfg.yaml was not compared: it holds no model section"
    jaw, head = (bool(model.get(f"exp_deca_{which}_pose")) for which in ("jaw", "global"))
    expected = 50 + 3 * (jaw + head)
    if expected != width:
        raise ValueError(
            f"Expected an expression encoder of {expected} numbers by {settings.name}, received one of {width}. The "
            "settings belong to another model: import the folder of one model as its authors packed it."
        )
    if head and not jaw:
        raise ValueError(
            f"Expected an expression encoder with the jaw's rotation, received one with the head's alone by "
            f"{settings.name}. This model is not supported; take {OFFICIAL_EMOCA}."
        )
    return f"cfg.yaml agrees on {width} numbers of expression"


def _best_emoca(files: Sequence[FoundFile]) -> FoundFile:
    for preferred in (OFFICIAL_EMOCA, DETAIL_STAGE):
        files = [file for file in files if preferred in Path(file.shown).parts or preferred in file.path.parts] or files
    if len({_model_folder(file.path) for file in files}) > 1:
        raise ValueError(
            f"Expected the checkpoints of one EMOCA model, received those of several: "
            f"{', '.join(file.shown for file in files[:4])}. Import the folder of {OFFICIAL_EMOCA} alone."
        )
    scored = [file for file in files if file.path.name != "last.ckpt"] or list(files)
    return min(scored, key=lambda file: (_score(file.path.name), file.path.name))


def _model_folder(checkpoint: Path) -> Path:
    settings = emoca_settings(checkpoint)
    above = (folder.parent for folder in checkpoint.parents if folder.name == "checkpoints")
    return settings.parent if settings else next(above, checkpoint.parent)


def _score(name: str) -> float:
    found = SCORE.search(name)
    return float(found[1]) if found else math.inf


def _flame_rank(name: str) -> int:
    if "generic" in name:
        return 0
    return 2 if any(other in name for other in OTHER_HEADS) else 1


def _model_section(content: Any) -> dict[str, Any] | None:
    """The part of cfg.yaml that describes the networks; the last stage's, where there are several."""
    for section in (content.get(stage) for stage in (DETAIL_STAGE, "coarse")) if isinstance(content, dict) else ():
        if isinstance(section, dict) and isinstance(section.get("model"), dict):
            return section["model"]
    model = content.get("model") if isinstance(content, dict) else None
    return model if isinstance(model, dict) else None
