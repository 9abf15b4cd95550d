"""The settings of runs: flat, compared with one another, and in few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqlab.experiment.located import Origin, plain
from seqlab.experiment.yaml12 import dump_flow, load_yaml, read_text
from seqlab.printable import shown_path
from seqlab.runs.folder import RunFolder

SEED = "train.seed"
ABSENT = object()


def run_settings(folder: RunFolder, description: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `run.json` says of the settings, or `resolved.yaml` where it is an older one.

    Raises:
        ExperimentError: `resolved.yaml` is missing or damaged.
    """
    known: dict[str, Any] | None = description.get("settings")
    return resolved_settings(folder) if known is None else known


def resolved_settings(folder: RunFolder) -> dict[str, Any]:
    """Return the content of `resolved.yaml`; raise ExperimentError if it is damaged."""
    path = folder.resolved
    settings: dict[str, Any] = plain(load_yaml(read_text(path, record=True), Origin(str(path))))
    return settings


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return every value by its dotted key; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def value_at(settings: Any, key: str) -> Any:
    """Return the value of a key as an override writes it; a component is its name.

    A number is a place in a list, from 0: `cell.layers.0.hidden_size`.

    Returns:
        The value, or `ABSENT`.
    """
    value = settings
    for step in key.split("."):
        value = _item(value, step)
    return value.get("name", ABSENT) if isinstance(value, dict) else value


def _item(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step, ABSENT)
    if isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
        return value[int(step)]
    return ABSENT


def differing(flat: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys whose values differ, or that some lack, in order of appearance."""
    keys = dict.fromkeys(key for settings in flat for key in settings)
    return [key for key in keys if len({str(settings.get(key, "")) for settings in flat}) > 1]


def telling(flat: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys that differ, without those that only follow from another component.

    An option that some lack, and that is the same wherever it is, says no more than the name of
    its component.
    """
    return [key for key in differing(flat) if not _follows(key, flat)]


def _follows(key: str, flat: Sequence[Mapping[str, Any]]) -> bool:
    values = [str(settings[key]) for settings in flat if key in settings]
    name = f"{key.rpartition('.')[0]}.name"
    names = {str(settings.get(name, "")) for settings in flat}
    return len(values) < len(flat) and len(set(values)) == 1 and len(names) > 1


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Return a short word for each key: `cell` for `cell.name`, `lr` for `optimizer.lr`.

    A key whose last part is not its own among these keeps all of its parts.
    """
    short = {key: _last_part(key) for key in keys}
    words = list(short.values())
    return {key: word if words.count(word) == 1 else key for key, word in short.items()}


def _last_part(key: str) -> str:
    parts = key.removesuffix(".name").split(".")
    return parts[-1] if not parts[-1].isdigit() else key


def in_words(settings: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Return the values of some keys in one line: `cell=gru, lr=0.01`."""
    short = short_keys(keys)
    pairs = [(short[key], settings[key]) for key in keys if key in settings]
    return ", ".join(f"{word}={value_in_words(value)}" for word, value in pairs)


def value_in_words(value: Any) -> str:
    """Return a value as an experiment would have it, in one line; a path from the working folder.

    Text that would be quoted there is not quoted here.
    """
    if not isinstance(value, str):
        return dump_flow(value)
    return shown_path(value) if Path(value).is_absolute() else value
