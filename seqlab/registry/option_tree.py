"""The value of an option as a tree of lists, mappings and dataclasses; its leaves are the rest."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from seqlab.experiment.located import Located
from seqlab.factories import Part

Change: TypeAlias = Callable[[Any, Located, str], Any]
_ITEMS = (list, tuple, set, frozenset, deque)


def rebuilt(value: Any, located: Located, key: str, change: Change) -> Any:
    """Return a value in which every path and every named component is replaced.

    Args:
        value: a checked value.
        located: what was written; its value is None where nothing was.
        key: the dotted key of the value.
        change: (path or part, what was written, key) -> what takes its place.
    """
    if isinstance(value, Path | Part):
        return change(value, located, key)

    def inside(item: Any, step: str | int) -> Any:
        child = located.at([step])
        if child is located:
            child = Located(None, located.origin)
        return rebuilt(item, child, f"{key}.{step}", change)

    return _with_items(value, inside)


def replaced(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a value in which `change` has taken the place of every leaf."""

    def inside(item: Any, _: str | int) -> Any:
        return replaced(item, change)

    return _with_items(value, inside) if _is_tree(value) else change(value)


def _is_tree(value: Any) -> bool:
    return isinstance(value, _ITEMS) or type(value) in (dict, OrderedDict) or _is_record(value)


def _with_items(value: Any, inside: Callable[[Any, str | int], Any]) -> Any:
    """Return a list, mapping or dataclass with other items; anything else as it is."""
    if isinstance(value, _ITEMS):
        items = [inside(item, index) for index, item in enumerate(value)]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    if type(value) in (dict, OrderedDict):
        return type(value)((name, inside(item, name)) for name, item in value.items())
    if _is_record(value):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        parts = {name: inside(getattr(value, name), name) for name in names}
        return dataclasses.replace(value, **parts)
    return value


def leaves(value: Any) -> Iterator[Any]:
    """Yield everything in a value that is no list, mapping or dataclass; of mappings keys, too."""
    if isinstance(value, Mapping):
        value = (*value.keys(), *value.values())
    elif _is_record(value):
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    elif not isinstance(value, _ITEMS):
        yield value
        return
    for item in value:
        yield from leaves(item)


def _is_record(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)
