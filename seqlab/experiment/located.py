"""Values that know where they were written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: a place in a file, or a label such as an override."""

    label: str
    line: int = 0
    column: int = 0
    folder: Path = Path()

    def __str__(self) -> str:
        return f"{self.label}:{self.line}:{self.column}" if self.line else self.label


@dataclass(frozen=True)
class Located:
    """A YAML value and its origin.

    `kept` marks an option that was written for another component of this section: a bare name
    changed the component, and the option stays only if the new one has it too.
    """

    value: dict[str, Located] | list[Located] | Scalar
    origin: Origin
    kept: bool = False

    @property
    def items(self) -> dict[str, Located]:
        """The entries of a mapping; none where this is no mapping."""
        return self.value if isinstance(self.value, dict) else {}

    def at(self, path: Iterable[str | int]) -> Located:
        """Return the value at the end of `path`, or the last one on the way that exists."""
        here = self
        for step in path:
            value = here.value
            if isinstance(value, dict) and step in value:
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


def locate(value: Any, origin: Origin) -> Located:
    """Give every part of a plain value the same origin."""
    if isinstance(value, dict):
        return Located({str(key): locate(item, origin) for key, item in value.items()}, origin)
    if isinstance(value, list | tuple):
        return Located([locate(item, origin) for item in value], origin)
    return Located(str(value) if isinstance(value, Path) else value, origin)
