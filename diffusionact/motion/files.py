"""Motion scripts as small JSON or YAML files, and the bundled ones.

{"seconds": 2.0, "loop": true, "steady_gaze": 0.5,
 "keyframes": [{"time": 0.4, "pitch": 9, "ease": "smooth"}, ...],
 "idle": {"seed": 0, "strength": 1.0, "blinks": 1.0},
 "talk": {"seed": 0, "strength": 1.0}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from ..images import written_under_temporary_name
from .idle import IdleLife
from .keyframes import DEFAULT_EASING, Keyframe
from .script import MotionScript
from .talking import Talking

PRESETS_FOLDER = Path(__file__).with_name("presets")
PRESETS = ("idle", "nod", "shake", "laugh", "wink", "talk", "look_around", "surprise")
SUFFIXES = (".json", ".yaml", ".yml")
MAX_BYTES = 4_000_000

T = TypeVar("T")


def load_script(name_or_path: str | Path) -> MotionScript:
    """A bundled motion by its name, or a file.

    Raises:
        FileNotFoundError: if there is no such file, nor a motion of that name.
        ModuleNotFoundError: for a YAML file without the package PyYAML.
        ValueError: if the file holds something else.
    """
    if str(name_or_path) in PRESETS:
        return load_script(PRESETS_FOLDER / f"{name_or_path}.json")
    path = Path(name_or_path)
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        raise FileNotFoundError(
            f"Expected a motion: {', '.join(PRESETS)}, or a file ending in {', '.join(SUFFIXES)}; received "
            f"{str(name_or_path)!r}. Choose one of them, or correct the path."
        )
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"Expected a motion of at most {MAX_BYTES} bytes, received {path}. Leave out keyframes.")
    try:
        return parse_script(path.read_text(encoding="utf-8"), is_yaml=path.suffix.lower() != ".json")
    except ValueError as error:
        raise ValueError(f"In the motion {path}: {error}") from error


def parse_script(text: str, is_yaml: bool = False) -> MotionScript:
    """The script that a text holds.

    Raises:
        ModuleNotFoundError: for YAML without the package PyYAML.
        ValueError: if the text holds something else.
    """
    data = _read_yaml(text) if is_yaml else _read_json(text)
    _check_names(data, (field.name for field in fields(MotionScript)), "a motion")
    keyframes = data.get("keyframes", [])
    if not isinstance(keyframes, list):
        raise ValueError(f"Expected a list of keyframes, received {type(keyframes).__name__}. See the documentation.")
    read: dict[str, Any] = {**data, "keyframes": tuple(map(_keyframe, keyframes))}
    read.setdefault("seconds", max((frame.time for frame in read["keyframes"]), default=0.0) or 6.0)
    for name, kind in (("idle", IdleLife), ("talk", Talking)):
        if name in data:
            read[name] = _part(data[name], kind, name)
    try:
        return MotionScript(**read)
    except TypeError as error:
        raise ValueError(f"Expected numbers in a motion, received something else ({error}). Correct it.") from error


def script_text(script: MotionScript) -> str:
    """A script as JSON, which `parse_script` reads."""
    keyframes = [
        {"time": frame.time, **frame.values, **({} if frame.ease == DEFAULT_EASING else {"ease": frame.ease})}
        for frame in script.keyframes
    ]
    parts = {"seconds": script.seconds, "loop": script.loop, "steady_gaze": script.steady_gaze}
    for name in ("idle", "talk"):
        part = getattr(script, name)
        parts |= {} if part is None else {name: asdict(part)}
    lines = ",\n    ".join(json.dumps(keyframe) for keyframe in keyframes)
    body = json.dumps(parts)[:-1]
    return f'{body},\n  "keyframes": [\n    {lines}\n  ]}}\n' if keyframes else body + "}\n"


def save_script(script: MotionScript, path: Path) -> None:
    """Write a script as JSON.

    Raises:
        OSError: if it cannot be written.
    """
    with written_under_temporary_name(path) as temporary:
        temporary.write_text(script_text(script), encoding="utf-8")


def _keyframe(data: Any) -> Keyframe:
    if not isinstance(data, dict) or "time" not in data:
        raise ValueError(f"Expected keyframes with a time and values, received {data!r}. Add the time in seconds.")
    values = {name: value for name, value in data.items() if name not in ("time", "ease")}
    return Keyframe(data["time"], values, data.get("ease", DEFAULT_EASING))


def _part(data: Any, kind: type[T], name: str) -> T | None:
    """A part of a script: true and false are its default and none."""
    if data is None or isinstance(data, bool):
        return kind() if data else None
    _check_names(data, (field.name for field in fields(kind)), name)
    try:
        return kind(**data)
    except TypeError as error:
        raise ValueError(f"Expected numbers in {name}, received {data!r}. Correct it.") from error


def _check_names(data: Any, known: Any, what: str) -> None:
    names = set(known)
    if not isinstance(data, Mapping) or data.keys() - names:
        wrong = ", ".join(sorted(map(str, data.keys() - names))) if isinstance(data, Mapping) else repr(data)
        raise ValueError(f"Expected {what} of {', '.join(sorted(names))}, received {wrong}. Correct the names.")


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"Expected JSON, received text that is none ({error}). Correct it.") from error


def _read_yaml(text: str) -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Expected the package PyYAML for a motion in YAML, received none. Install it (pip install PyYAML), or "
            "write the motion as JSON."
        ) from error
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"Expected YAML, received text that is none ({error}). Correct it.") from error
