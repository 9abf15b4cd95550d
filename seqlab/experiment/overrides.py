"""Overrides as Python has them -> `KEY=VALUE`, which is how they are kept and read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from seqlab.errors import UsageError
from seqlab.experiment.located import Origin, locate, plain
from seqlab.experiment.yaml12 import dump_flow

Overrides: TypeAlias = Mapping[str, Any] | Iterable[str]
"""`{"cell": "gru", "optimizer.lr": 1e-2}`, where mappings may be nested, or `["cell=gru"]`."""


class Worded(str):
    """An override, with the words of who gave it in another way than `KEY=VALUE`."""

    words: str

    def __new__(cls, override: str, words: str) -> Worded:
        self = super().__new__(cls, override)
        self.words = words
        return self


def as_overrides(overrides: Overrides) -> tuple[str, ...]:
    """Return overrides as a tuple of `KEY=VALUE`.

    A mapping has dotted keys, nested mappings, or both. One with a `name` replaces a component, as
    it does in an experiment.

    Raises:
        UsageError: they are neither a mapping nor a list of texts, or a key is not possible.
        ExperimentError: a value is none that an experiment may hold.
    """
    if isinstance(overrides, Mapping):
        pairs = _pairs("", overrides)
        return tuple(
            Worded(f"{key}={text}", f"overrides[{key!r}] = {value!r}") for key, text, value in pairs
        )
    if isinstance(overrides, str):
        raise UsageError(
            f"overrides should be a mapping or a list of KEY=VALUE, not the text {overrides!r}"
        )
    try:
        return tuple(map(_text, overrides))
    except TypeError:
        kind = type(overrides).__name__
        message = f"overrides should be a mapping or a list of KEY=VALUE, not {kind}"
        raise UsageError(message) from None


def _text(override: Any) -> str:
    if not isinstance(override, str):
        raise UsageError(f"overrides should be texts KEY=VALUE; one is {_shown(override)}")
    return override


def _pairs(prefix: str, overrides: Mapping[Any, Any]) -> Iterator[tuple[str, str, Any]]:
    """Dotted keys, each with its value as YAML in one line, and as it was given."""
    for name, value in overrides.items():
        key = f"{prefix}{_key(name)}"
        if isinstance(value, Mapping) and value and "name" not in value:
            yield from _pairs(f"{key}.", value)
        else:
            yield key, dump_flow(plain(locate(_plain(value), Origin("overrides"), key))), value


def _key(name: Any) -> str:
    """A part of a key; a number is that of an item of a list."""
    if isinstance(name, bool) or not isinstance(name, str | int) or "=" in str(name):
        raise UsageError(
            f"overrides: a key should be text such as 'optimizer.lr', not {name!r:.60}"
        )
    return str(name)


def _plain(value: Any) -> Any:
    """The number in a scalar of numpy or torch; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _shown(value: Any) -> str:
    return f"{value!r:.60} ({type(value).__name__})"
