"""Who may import whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import seqlab

CORE = Path(seqlab.__file__).parent
FILES = sorted(CORE.rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    """Modules that a file imports when it is imported itself: not inside functions or for types."""
    tree = ast.parse(path.read_text("utf-8"))
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif not isinstance(node, ast.FunctionDef) and not _is_for_types(node):
            waiting.extend(ast.iter_child_nodes(node))


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _room(path: Path) -> str:
    return path.relative_to(CORE).parts[0]


def _top(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_the_core_knows_no_built_in(path):
    tree = ast.parse(path.read_text("utf-8"))
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    assert "seqlab_plugins" not in map(_top, modules + names)


def test_reading_experiments_and_resolving_them_needs_no_torch():
    free = [path for path in FILES if _room(path) in {"experiment", "registry"}]
    assert len(free) > 10
    assert not [path for path in free if "torch" in map(_top, _imports(path))]


def test_only_the_registry_and_the_hooks_know_pluggy():
    users = {str(path.relative_to(CORE)) for path in FILES if "pluggy" in map(_top, _imports(path))}
    assert users == {"hookspecs.py", "registry/loading.py"}


PRINTING = {"print", "click.echo", "sys.stdout.write", "sys.stderr.write"}


def test_one_module_of_the_command_prints():
    def prints(path: Path) -> bool:
        calls = [
            n.func for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)
        ]
        return any(ast.unparse(call) in PRINTING for call in calls)

    assert {str(path.relative_to(CORE)) for path in FILES if prints(path)} == {
        "cli/streams.py",
        "testing/other_process.py",  # in a process of its own, for the one that started it
    }


def test_every_file_does_one_thing_in_three_hundred_lines():
    long = {
        path.name: n for path in FILES if (n := len(path.read_text("utf-8").splitlines())) > 300
    }
    assert long == {}


def test_every_public_name_can_be_had():
    for name in dir(seqlab):
        assert getattr(seqlab, name) is not None


def test_what_type_checkers_see_is_what_there_is():
    tree = ast.parse((CORE / "__init__.py").read_text("utf-8"))
    seen = {
        alias.asname for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for alias in n.names
    }
    assert seen - {None} == set(dir(seqlab)) - {"__version__"}
