"""Checks of arguments of the Python API."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from seqlab.errors import Override, UsageError

MOST_TOKENS, MOST_TEXTS, MOST_ROWS, LARGEST = 1_000_000, 100_000, 2**20, 2**63 - 1


def whole_number(value: Any, name: str, least: int, most: int) -> int:
    """Return a whole number, also of numpy or torch.

    Raises:
        UsageError: it is something else, or out of bounds.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        kind = type(value).__name__
        raise UsageError(f"{name} should be a whole number, not {_shown(value)} ({kind})") from None
    if number < least:
        raise UsageError(f"{name} should be at least {least}; it is {_shown(number)}")
    if number > most:
        raise UsageError(f"{name} should be at most {most:,}; it is {_shown(number)}")
    return number


def texts(values: Any, name: str) -> list[str]:
    """Return a list of texts; one text becomes a list of one.

    Raises:
        UsageError: it is something else, or an item is.
    """
    if isinstance(values, str):
        return [values]
    if isinstance(values, bytes | dict) or not isinstance(values, Iterable):
        kind = type(values).__name__
        raise UsageError(f"{name} should be a text, or a list of texts, not {kind}")
    items = list(values)
    for item in items:
        if not isinstance(item, str):
            raise UsageError(f"{name} should be texts; one is of type {type(item).__name__}")
    return items


def named_path(value: Any, what: str) -> Path:
    """Return a path as it was given; an empty text, which `pathlib` reads as a dot, is refused.

    Raises:
        UsageError: it is empty, or no path; `what` names the argument.
    """
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"{what}: should be a path, not {type(value).__name__}")
    if not os.fspath(value):
        raise UsageError(f"{what}: is empty; give a path (the working folder is .)")
    path = os.fsdecode(value)
    if "\0" in path:
        raise UsageError(f"{what}: is not a path: it contains a NUL character")
    return Path(path)


def expect_decoder_overrides(overrides: Sequence[str]) -> None:
    """Raise UsageError unless overrides change only the decoder."""
    for override in overrides:
        section = override.partition("=")[0].split(".")[0].strip()
        if section != "decoder":
            meant = "; did you mean 'decoder'?" if section.lower() == "decoder" else ""
            raise UsageError(
                f"{Override(override)}: generating changes the decoder only, as in"
                f" decoder=greedy or decoder.temperature=0.8{meant}"
            )


def _shown(value: Any) -> str:
    """A value in few characters; Python refuses to format huge numbers."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    return repr(value)[:60]
