"""A dotted key, at any depth -> what explains it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from seqlab.errors import UsageError
from seqlab.experiment.located import Located
from seqlab.registry.explanation import Explanation


def explain_key(rows: list[Explanation], key: str, written: Located) -> list[Explanation]:
    """Return the row of a key, or those of the keys inside it.

    Args:
        rows: of all keys of an experiment.
        key: such as `cell.layers.0.hidden_size`; it may lead into a value, as `samples.prefixes.0`.
        written: the experiment, with the location of each value.

    Raises:
        UsageError: there is no such key.
    """
    exact = [row for row in rows if row.key == key]
    inside = [row for row in rows if row.key.startswith(f"{key}.")]
    return exact or inside or [_in_value(rows, key, written)]


def _in_value(rows: list[Explanation], key: str, written: Located) -> Explanation:
    around = next((row for row in rows if key.startswith(f"{row.key}.")), None)
    if around is None:
        raise _no_such_key(key, [row.key for row in rows])
    value = around.value
    for step in key.removeprefix(f"{around.key}.").split("."):
        items = _items(value)
        if step not in items:
            raise _no_such_key(key, [around.key, *(f"{around.key}.{s}" for s in items)])
        value = items[step]
    where = written
    for step in key.split("."):
        there = where.at([int(step) if step.isascii() and step.isdigit() else step])
        if there is where:  # a default
            return replace(around, key=key, value=value)
        where = there
    return replace(around, key=key, value=value, origin=str(where.origin))


def _items(value: Any) -> dict[str, Any]:
    """What is in a value, by the step of a key that leads to it."""
    if isinstance(value, dict):
        return value
    return {str(i): item for i, item in enumerate(value)} if isinstance(value, list) else {}


def _no_such_key(key: str, known: Iterable[str]) -> UsageError:
    """The error for a key of which a step is wrong: with a close one, or those that there are."""
    begin, steps = "", key.split(".")
    while True:
        below = list(dict.fromkeys(_first_step(name, begin) for name in known))
        below = [step for step in below if step]
        wrong, *rest = steps
        if wrong not in below:
            break
        begin, steps = f"{begin}{wrong}.", rest
    around = f"'{begin[:-1]}'" if begin else "an experiment"
    if not below:
        return UsageError(f"no key '{key}': nothing is inside {around}")
    close = get_close_matches(wrong.lower(), below, n=1, cutoff=0.6)
    if not close:
        return UsageError(f"no key '{key}'; in {around} there are: {', '.join(below)}")
    meant = begin + ".".join([close[0], *rest])
    whole = any(f"{name}.".startswith(f"{meant}.") for name in known)
    return UsageError(f"no key '{key}'; did you mean '{meant if whole else begin + close[0]}'?")


def _first_step(name: str, begin: str) -> str:
    """The step of a key that follows its beginning; empty: it begins otherwise, or ends there."""
    return name[len(begin) :].partition(".")[0] if name.startswith(begin) else ""
