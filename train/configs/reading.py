"""YAML and overrides -> dataclasses, by dacite. A mistake is told with the path of its key, such as loop.batch_size."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import dacite
import yaml

from .schema import Precision, TrainingConfig

# Old key -> the key that took over its meaning.
RENAMED = {
    "settings.detail_weight": "settings.weights.detail",
    "settings.perception.lane": "settings.perception.backend",
}


def load_config(path: str | Path, overrides: Sequence[str], settings_classes: Mapping[str, type]) -> TrainingConfig:
    """Read a YAML file and lay `key.of.a.section=value` overrides over it.

    Args:
        path: the YAML file.
        overrides: values are read as YAML.
        settings_classes: the settings dataclass of every stage, by the stage's name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a key is unknown, renamed or missing, or a value has the wrong type.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected a YAML file, received {str(path)!r} where no file lies. Check --config.")
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"Expected YAML, received {str(path)!r} ({error}). Correct the file.") from error
    if not isinstance(values, dict):
        raise ValueError(f"Expected keys such as stage and loop in {str(path)!r}, received {values!r}. Check --config.")
    for override in overrides:
        _apply_override(values, override)
    stage = values.get("stage")
    if not isinstance(stage, str) or stage not in settings_classes:
        raise ValueError(
            f"Expected stage to be one of {sorted(settings_classes)}, received {stage!r}. Correct the key."
        )
    return _build(values, settings_classes[stage])


def dump_config(config: TrainingConfig) -> str:
    """The resolved configuration as YAML that `load_config` reads."""
    return yaml.safe_dump(_map_sequences(dataclasses.asdict(config), list), sort_keys=False)


def _build(values: dict[str, Any], settings_class: type) -> TrainingConfig:
    _check_keys(TrainingConfig, values, "", {"settings": settings_class})
    hooks = {int: _whole_number, float: _number, Precision: _word}
    try:
        return dacite.from_dict(
            TrainingConfig[settings_class], _map_sequences(values, tuple), dacite.Config(type_hooks=hooks, strict=True)
        )
    except dacite.MissingValueError as error:
        raise ValueError(
            f"Expected a value for {error.field_path}, received none. Add the key to the file or as an override."
        ) from error
    except dacite.WrongTypeError as error:
        raise ValueError(
            f"Expected {error.field_path} to be {_words(error.field_type)}, received "
            f"{_value_at(values, error.field_path)!r}. Correct the file or the override."
        ) from error


def _check_keys(cls: type, values: Mapping[str, Any], where: str, replaced: Mapping[str, type]) -> None:
    """Raise ValueError for unknown keys; dacite names them without the section that they stand in."""
    hints = get_type_hints(cls) | dict(replaced)
    for name, value in values.items():
        path = f"{where}.{name}".strip(".")
        if path in RENAMED:
            raise ValueError(f"Expected {RENAMED[path]}, received {path}, its old name. Rename the key.")
        if name not in hints:
            raise ValueError(
                f"Expected the keys {sorted(hints)} in {where or 'the top level'}, received the unknown key {path}. "
                "Correct the file or the override."
            )
        if dataclasses.is_dataclass(hints[name]) and isinstance(value, Mapping):
            _check_keys(hints[name], value, path, {})


def _map_sequences(value: Any, kind: type) -> Any:
    """Lists and tuples, at any depth, as `kind`: YAML knows lists, the dataclasses hold tuples."""
    if isinstance(value, dict):
        return {key: _map_sequences(item, kind) for key, item in value.items()}
    return kind(_map_sequences(item, kind) for item in value) if isinstance(value, (list, tuple)) else value


def _whole_number(value: Any) -> Any:
    """A bool is an int for Python, but no number for a reader."""
    if isinstance(value, bool):
        raise dacite.WrongTypeError(int, value)
    return value


def _word(value: Any) -> Any:
    """The word no, which YAML 1.1 reads as false where it stands without quotes."""
    return "no" if value is False else value


def _number(value: Any) -> float:
    """Whole numbers and texts as float; YAML reads 1e-4 as text."""
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise dacite.WrongTypeError(float, value)


def _words(hint: Any) -> str:
    """A type as a user reads it: one of the choices, or the type."""
    choices = get_args(hint)
    if get_origin(hint) is tuple and get_origin(choices[0]) is Literal:
        return f"a list of {_words(choices[0]).removeprefix('one of ')}"
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, choices))}"
    if dataclasses.is_dataclass(hint):
        return f"a section with the keys {[field.name for field in dataclasses.fields(hint)]}"
    return hint.__name__ if isinstance(hint, type) and not choices else str(hint)


def _value_at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values[name]
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator:
        raise ValueError(f"Expected an override such as loop.batch_size=8, received {override!r}. Add '=value'.")
    *sections, name = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ValueError(
                f"Expected a section {section} for {override!r}, received {values!r}. Write its keys below it."
            )
    values[name] = yaml.safe_load(text)
