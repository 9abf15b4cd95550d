"""Sizes that lie beyond every option of a component."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from seqlab.registry.binding import Bound
from seqlab.testing.promises import Subject

MOST = 1024  # a larger option is no length that a check could afford


def beyond_options(subject: Subject, least: int) -> int:
    """A size of at least `least` that is larger than any integer option, such as a context.

    The options of components in its options count, those above 1,024 do not.
    """
    options = subject.signature.options.values()
    defaults = {o.name: o.default for o in options if not o.required}
    values = {**defaults, **subject.options, **subject.parts}
    return max([least, *(number + 1 for number in _integers(values) if number <= MOST)])


def _integers(value: Any) -> Iterator[int]:
    """Every integer in a value, at any depth."""
    if isinstance(value, int) and not isinstance(value, bool):
        yield value
    for part in _parts(value):
        yield from _integers(part)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, Bound):
        return value.options.values()
    if isinstance(value, Mapping):
        return value.values()
    if is_dataclass(value):
        return [getattr(value, one.name) for one in fields(value)]
    return value if isinstance(value, list | tuple | set | frozenset) else ()
