"""An option in -> the keys that its value has inside."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from types import UnionType
from typing import Any

from seqlab.registry.signature import Option, Signature, SignatureError, read_fields


def keys_inside(option: Option) -> Signature | None:
    """The keys of a value that is a dataclass; None: it is none, or could be one of several."""
    classes = list(_dataclasses(option.annotation))
    try:
        return read_fields(classes[0]) if len(classes) == 1 else None
    except SignatureError:  # its values can be checked, which is all that was promised of it
        return None


def _dataclasses(annotation: Any) -> Iterator[type]:
    """Those that a value of a type may be itself; not those of the items of a list."""
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        yield annotation
    elif typing.get_origin(annotation) in (typing.Annotated, typing.Union, UnionType):
        for branch in typing.get_args(annotation):
            yield from _dataclasses(branch)
