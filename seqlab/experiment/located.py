"""Values with the location where they were written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from seqlab.errors import Complaint, ExperimentError

MAX_DEPTH = 50
MAX_DIGITS = 1000

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: a location in a file, or a label such as that of an override."""

    label: str
    line: int = 0
    column: int = 0
    folder: Path = Path()
    is_override: bool = False

    def __str__(self) -> str:
        return f"{self.label}:{self.line}:{self.column}" if self.line else self.label


@dataclass(frozen=True)
class Located:
    """A YAML value and its origin.

    `kept` marks an option that was written for another component: a bare name replaced the
    component, and the option stays only if the new one has it too.
    """

    value: dict[str, Located] | list[Located] | Scalar
    origin: Origin
    kept: bool = False

    @property
    def items(self) -> dict[str, Located]:
        """The entries of a mapping; empty if this is no mapping."""
        return self.value if isinstance(self.value, dict) else {}

    def at(self, path: Iterable[str | int]) -> Located:
        """Return the value at `path`, or the last one on the way that exists."""
        here = self
        for step in path:
            value = here.value
            if isinstance(value, dict) and str(step) in value:
                here = value[str(step)]
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                here = value[step]
        return here


def plain(located: Located) -> Any:
    """Return the value without its origins."""
    value = located.value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def locate(value: Any, origin: Origin, key: str = "") -> Located:
    """Give every part of a value the same origin; raises ExperimentError for other types."""
    if key.count(".") > MAX_DEPTH:
        raise refusal(origin, f"{key[:40]}…", f"nests deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        entries = {name: locate(part, origin, _join(key, name)) for name, part in value.items()}
        return Located(entries, origin)
    if isinstance(value, list | tuple):
        parts = [locate(part, origin, _join(key, i)) for i, part in enumerate(value)]
        return Located(parts, origin)
    if isinstance(value, Path):
        return Located(str(value), origin)
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        raise refusal(origin, key, f"is a number of more than {MAX_DIGITS:,} digits")
    if value is None or isinstance(value, str | int | float | bool):
        return Located(value, origin)
    what = "a mapping with keys that are not text" if isinstance(value, Mapping) else type(value)
    raise refusal(origin, key, f"an experiment holds text, numbers, lists and mappings, not {what}")


def refusal(origin: Origin | str, key: str, message: str) -> ExperimentError:
    return ExperimentError([Complaint(str(origin), key, message)])


def _join(key: str, step: str | int) -> str:
    return f"{key}.{step}" if key else str(step)
