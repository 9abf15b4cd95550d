"""The name of a new component, and the names derived from it."""

from __future__ import annotations

import builtins
import re
import sys
from keyword import iskeyword
from typing import TYPE_CHECKING

from seqlab.errors import UsageError
from seqlab.experiment.kinds import KINDS
from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import component_label

if TYPE_CHECKING:
    from seqlab.registry import Registry

MAX_LENGTH = 36  # so that no line of a template is too long
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def check_name(kind: str, name: str) -> None:
    """Refuse an unknown kind, and a name that cannot be the name of a module.

    Raises:
        UsageError: why the name is refused.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind '{kind}'{suggest(kind, KINDS)}")
    if not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' should be a Python name such as my_{kind}: a-z, 0-9 and _")
    if len(name) > MAX_LENGTH:
        raise UsageError(f"'{name}' is too long: {len(name)} characters, {MAX_LENGTH} are allowed")
    if iskeyword(name):
        raise UsageError(f"'{name}' is a keyword of Python; choose another name")
    if name in sys.stdlib_module_names:
        raise UsageError(f"'{name}' is a module of Python's standard library; choose another name")


def check_unused(kind: str, name: str, registry: Registry) -> None:
    """Refuse the name of an existing component of the kind, or of a plugin.

    Raises:
        UsageError: whose name it is.
    """
    for plugin in registry.plugins:
        if any((c.kind, c.name) == (kind, name) for c in plugin.components):
            raise UsageError(
                f"{component_label(kind, name)} exists already in plugin"
                f" {plugin.label}; choose another name"
            )
        if plugin.name in (name, dashed(name)):
            raise UsageError(
                f"plugin '{plugin.name}' exists already ({plugin.origin}); choose another name"
            )


def dashed(name: str) -> str:
    """The name in the style of distributions."""
    return name.replace("_", "-")


def class_name(kind: str, name: str, source: str) -> str:
    """The name in CamelCase, followed by the kind if Python or the source has that word already."""
    camel = _camel(name)
    words = {*re.findall(r"\w+", source), *vars(builtins)}
    return camel + _camel(kind) if camel in words or iskeyword(camel) else camel


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
