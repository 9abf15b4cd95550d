"""A factory or a dataclass in -> what its docstring says of it and of its options."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable
from typing import Any


def option_texts(factory: Callable[..., Any]) -> dict[str, str]:
    """Help for options: from the docstring's `Args:`, or the summary if it has `NAME`.

    Of a dataclass, the fields that it inherits have the help of where they are declared.
    """
    import docstring_parser

    docs = [owner.__doc__ for owner in declaring(factory)]
    docs.append(getattr(defining_function(factory), "__doc__", None))
    parsed = [docstring_parser.parse(inspect.cleandoc(doc)) for doc in docs if doc]
    summary = summary_of(factory)
    in_summary = dict.fromkeys(re.findall(r"`(\w+)`", summary), summary)
    return in_summary | {
        param.arg_name: " ".join((param.description or "").split())
        for doc in parsed
        for param in doc.params
    }


def declaring(factory: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The classes that declare the fields of a dataclass, itself last; else the factory."""
    if not (isinstance(factory, type) and dataclasses.is_dataclass(factory)):
        return [factory]
    return [cls for cls in reversed(factory.__mro__) if "__dataclass_fields__" in vars(cls)]


def summary_of(factory: Callable[..., Any]) -> str:
    """The first paragraph of its own docstring, not of an inherited one."""
    target = defining_function(factory) if isinstance(factory, functools.partial) else factory
    return inspect.cleandoc(target.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def defining_function(factory: Callable[..., Any]) -> Any:
    """The function that defines the signature; its module resolves the annotations."""
    if isinstance(factory, type):
        return inspect.getattr_static(factory, "__init__")
    if isinstance(factory, functools.partial):
        return defining_function(factory.func)
    return inspect.unwrap(factory)
