"""What a source imports, by its text alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_BY_NAME = ("import_module", "__import__")


class Imports(NamedTuple):
    """Full names of modules (some may be names in a module), and whether there are others."""

    names: frozenset[str]
    others: bool = False


@lru_cache(maxsize=4096)
def imports_of(source: bytes, module: str = "", *, is_package: bool = False) -> Imports:
    """Find every import of a source, wherever in it.

    Args:
        source: of Python; what is none imports nothing.
        module: its name, which relative imports start from.
        is_package: whether it is the `__init__` of `module`.

    Returns:
        The names; `others` where a module's name is computed.
    """
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Imports(frozenset())
    package = module if is_package else module.rpartition(".")[0]
    names = frozenset(name for node in nodes for name in _names(node, package))
    return Imports(names, any(_is_computed(node) for node in nodes))


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")
        start = ".".join(above[: len(above) - node.level + 1]) if node.level else ""
        base = ".".join(part for part in (start, node.module or "") if part)
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and _called(node) in _BY_NAME and not _is_computed(node):
        argument = node.args[0]
        assert isinstance(argument, ast.Constant)  # noqa: S101 # or it would be computed
        yield str(argument.value)


def _is_computed(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or _called(node) not in _BY_NAME:
        return False
    first = node.args[0] if node.args else None
    constant = isinstance(first, ast.Constant) and isinstance(first.value, str)
    return not constant or str(first.value).startswith(".")  # type: ignore[union-attr]


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", "") or getattr(node.func, "id", "")
