"""What a new component may be called, and the names that follow from its name."""

from __future__ import annotations

import builtins
import re
import sys
from keyword import iskeyword
from typing import TYPE_CHECKING

from seqlab.errors import UsageError
from seqlab.registry.kinds import KINDS
from seqlab.registry.option_values import suggest

if TYPE_CHECKING:
    from seqlab.registry import Registry

LONGEST = 36  # so that no line of a template grows too long
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def check_name(kind: str, name: str) -> None:
    """Refuse a kind that there is not, and a name that cannot be a module's everywhere.

    Raises:
        UsageError: in one line that says why.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind '{kind}'{suggest(kind, KINDS)}")
    if not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' should be a Python name such as my_{kind}: a-z, 0-9 and _")
    if len(name) > LONGEST:
        raise UsageError(f"'{name}' is too long: {len(name)} characters, {LONGEST} are allowed")
    if iskeyword(name):
        raise UsageError(f"'{name}' is a keyword of Python; choose another name")
    if name in sys.stdlib_module_names:
        raise UsageError(f"'{name}' is a module of Python's standard library; choose another name")


def check_unused(kind: str, name: str, registry: Registry) -> None:
    """Refuse a name that a component of the kind has, or a plugin.

    Raises:
        UsageError: and whose it is.
    """
    for plugin in registry.plugins:
        if any((found.kind, found.name) == (kind, name) for found in plugin.components):
            raise UsageError(
                f"{kind} '{name}' is there already, in plugin '{plugin.name}' ({plugin.origin});"
                " choose another name"
            )
        if plugin.name in (name, dashed(name)):
            raise UsageError(
                f"there is a plugin '{plugin.name}' already ({plugin.origin}); choose another name"
            )


def dashed(name: str) -> str:
    """The name as those of distributions are written."""
    return name.replace("_", "-")


def class_name(kind: str, name: str, source: str) -> str:
    """The name in CamelCase; the kind behind it where the source or Python has that word."""
    camel = _camel(name)
    words = {*re.findall(r"\w+", source), *vars(builtins)}
    return camel + _camel(kind) if camel in words or iskeyword(camel) else camel


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
