"""A factory or a dataclass in -> what its docstring says of it and of its options."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any


def option_texts(factory: Callable[..., Any]) -> dict[str, str]:
    """Help for options: from the docstring's `Args:`, or the summary if it has `NAME`."""
    import docstring_parser

    docs = (factory.__doc__, getattr(defining_function(factory), "__doc__", None))
    parsed = [docstring_parser.parse(inspect.cleandoc(doc)) for doc in docs if doc]
    summary = summary_of(factory)
    in_summary = dict.fromkeys(re.findall(r"`(\w+)`", summary), summary)
    return in_summary | {
        param.arg_name: " ".join((param.description or "").split())
        for doc in parsed
        for param in doc.params
    }


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
