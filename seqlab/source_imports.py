"""What a source imports, by its text alone.

Parsing a package takes longer than starting a run may; so statements are looked for by what they
look like. What only looks like one, in a docstring say, costs a name too many and no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_STATEMENT = re.compile(
    rb"(?:^|[;:])[ \t]*"
    rb"(?:from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n;#]*)|import[ \t]+([^\n;#]+))",
    re.MULTILINE,
)
_CALL = re.compile(rb"\b(?:import_module|__import__)\(\s*(?:[\"']([\w.]*)[\"'])?")
_CONTINUED = re.compile(rb"\\\r?\n")
_COMMENT = re.compile(rb"#[^\n]*")
_NAME = re.compile(r"[\w.]+")


class Imports(NamedTuple):
    """Full names of modules (some may be names in a module), and whether there are others."""

    names: frozenset[str]
    others: bool = False


@lru_cache(maxsize=4096)
def imports_of(source: bytes, module: str = "", *, is_package: bool = False) -> Imports:
    """Find every import of a source, wherever in it.

    Args:
        source: of Python.
        module: its name, which relative imports start from.
        is_package: whether it is the `__init__` of `module`.

    Returns:
        The names; `others` where a module's name is computed.
    """
    whole = _CONTINUED.sub(b" ", source)
    package = module if is_package else module.rpartition(".")[0]
    called = [name.decode() for name in _CALL.findall(whole)]
    names = [
        name
        for base, imported, plain in _STATEMENT.findall(whole)
        for name in _names(base, imported, plain, package)
    ]
    computed = any(not name or name.startswith(".") for name in called)
    return Imports(frozenset([*names, *called]) - {""}, computed)


def _names(base: bytes, imported: bytes, plain: bytes, package: str) -> Iterator[str]:
    if not base:
        yield from _listed(plain)
        return
    start = base.decode("utf-8", "replace")
    level = len(start) - len(start.lstrip("."))
    if level:
        above = package.split(".")
        start = ".".join([*above[: len(above) - level + 1], *filter(None, [start[level:]])])
    yield start
    yield from (f"{start}.{name}" for name in _listed(imported))


def _listed(text: bytes) -> Iterator[str]:
    """The names of a list, without what each is called from then on."""
    for part in _COMMENT.sub(b"", text).decode("utf-8", "replace").strip("()").split(","):
        if found := _NAME.search(part):
            yield found[0]
