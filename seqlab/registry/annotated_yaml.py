"""A resolved experiment in -> YAML with everything filled in, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seqlab.experiment.yaml12 import dump_flow
from seqlab.registry.explanation import Explanation


def annotated_yaml(values: Mapping[str, Any], rows: list[Explanation]) -> str:
    """Return an experiment that runs as it is, with a comment behind each value.

    Args:
        values: all sections, as `Resolved.as_experiment` returns them with later keys.
        rows: an explanation of each key.
    """
    origins = {row.key: row.origin for row in rows}
    return "".join(f"{line}\n" for line in _mapping(values, "", "", origins))


def _mapping(
    values: Mapping[str, Any], path: str, indent: str, origins: Mapping[str, str]
) -> Iterator[str]:
    for name, value in values.items():
        key = f"{path}{name}"
        yield from _entry(f"{indent}{dump_flow(name)}:", value, key, f"{indent}  ", origins)


def _entry(
    start: str, value: Any, key: str, indent: str, origins: Mapping[str, str]
) -> Iterator[str]:
    """The lines of a value: behind its key, or below it where parts have origins of their own."""
    inside = any(name.startswith(f"{key}.") for name in origins)
    if not (inside and value and isinstance(value, dict | list)):
        origin = origins.get(key)
        yield f"{start} {dump_flow(value)}{f'  # {origin}' if origin else ''}"
        return
    yield start
    if isinstance(value, dict):
        yield from _mapping(value, f"{key}.", indent, origins)
        return
    for index, item in enumerate(value):
        lines = list(_entry(f"{indent}-", item, f"{key}.{index}", f"{indent}  ", origins))
        if len(lines) > 1:  # a mapping begins behind its dash
            lines[:2] = [f"{indent}- {lines[1].strip()}"]
        yield from lines
