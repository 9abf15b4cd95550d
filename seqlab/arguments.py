"""Numbers that somebody gives from Python, checked once where they come in."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

from seqlab.errors import UsageError

MOST_TOKENS, MOST_TEXTS, MOST_ROWS, LARGEST = 1_000_000, 100_000, 2**20, 2**63 - 1


def whole_number(value: Any, name: str, least: int, most: int) -> int:
    """Take a whole number; numpy's and torch's count as well.

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
    """Take a list of texts; one text alone is a list of one.

    Raises:
        UsageError: it is something else, or a part of it is.
    """
    listed = [values] if isinstance(values, str) else values
    if isinstance(listed, bytes | dict) or not isinstance(listed, Iterable):
        raise UsageError(
            f"{name} should be a text, or a list of texts, not {type(values).__name__}"
        )
    found = list(listed)
    for value in found:
        if not isinstance(value, str):
            raise UsageError(f"{name} should be texts; one is of type {type(value).__name__}")
    return found


def expect_of_decoder(overrides: Sequence[str]) -> None:
    """See to it that overrides are a list, and change the decoder alone.

    Raises:
        UsageError: they do not.
    """
    if isinstance(overrides, str):
        raise UsageError(f"overrides should be a list of KEY=VALUE, not the text {overrides!r}")
    for override in overrides:
        if override.partition("=")[0].split(".")[0].strip() != "decoder":
            raise UsageError(
                f"--set {override}: generating changes the decoder only, as in decoder=greedy or"
                " decoder.temperature=0.8"
            )


def _shown(value: Any) -> str:
    """A value in few characters; a number of thousands of digits has no text at all."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    return repr(value)[:60]
