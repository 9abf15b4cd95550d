"""The imports of a source, by regular expressions.

Parsing a package would take longer than starting a run may. Text that only looks like an import, in
a docstring for example, adds a name, which does no harm.
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
    """Full names of modules, or of names in them; `computed`: some names are not literal."""

    names: frozenset[str]
    computed: bool = False


@lru_cache(maxsize=4096)
def imports_of(source: bytes, module: str = "", *, is_package: bool = False) -> Imports:
    """Find every import of the source of a module; a package's is its `__init__`."""
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
        yield from _names_in_list(plain)
        return
    start = base.decode("utf-8", "replace")
    level = len(start) - len(start.lstrip("."))
    if level:
        parents = package.split(".")
        start = ".".join([*parents[: len(parents) - level + 1], *filter(None, [start[level:]])])
    yield start
    yield from (f"{start}.{name}" for name in _names_in_list(imported))


def _names_in_list(text: bytes) -> Iterator[str]:
    """The names of an import list, without their aliases."""
    for part in _COMMENT.sub(b"", text).decode("utf-8", "replace").strip("()").split(","):
        if match := _NAME.search(part):
            yield match[0]
