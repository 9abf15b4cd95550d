"""Who may import whom, and what may be where."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import seqlab_plugins

import seqlab

CORE = Path(seqlab.__file__).parent
PLUGINS = Path(seqlab_plugins.__file__).parent
FILES = sorted(CORE.rglob("*.py"))
BUILT_IN = sorted(PLUGINS.rglob("*.py"))
# The rooms, lowest first; what lies in seqlab/ itself is below all of them, but for the doors.
ROOMS = (
    *(
        "experiment",
        "registry",
        "data",
        "kernels",
        "model",
        "distributed",
        "training",
        "generation",
    ),
    *("plots", "runs", "web", "sweeps"),
    *("scaffold", "testing", "cli"),
)
DOORS = {"__init__", "__main__", "deprecated", "loops", "network", "visible"}


def _nodes(path: Path, *, functions: bool) -> Iterator[ast.AST]:
    """Every node of a file but those for types; of functions only if that is asked for."""
    waiting: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        yield node
        if functions or not isinstance(node, ast.FunctionDef):
            waiting += [n for n in ast.iter_child_nodes(node) if not _is_for_types(n)]


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _imports(path: Path, *, functions: bool = False) -> Iterator[str]:
    """Modules that a file imports; of `from a import b` a.b if that is a module, and else a."""
    for node in _nodes(path, functions=functions):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in _modules() else node.module or "" for name in full)


def _module(path: Path) -> str:
    base = CORE.parent if path.is_relative_to(CORE) else PLUGINS.parent
    parts = path.relative_to(base).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _top(module: str) -> str:
    return module.partition(".")[0]


@cache
def _modules() -> dict[str, Path]:
    return {_module(path): path for path in [*FILES, *BUILT_IN]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_the_core_knows_no_built_in(path):
    assert "seqlab_plugins" not in map(_top, _imports(path, functions=True))


def test_no_import_runs_back_up():
    """Not even inside of a function."""
    upwards = [
        (_module(path), imported)
        for path in FILES
        if _room(_module(path)) not in DOORS
        for imported in _imports(path, functions=True)
        if _top(imported) == "seqlab" and _room(imported) in ROOMS
        if _room(_module(path)) not in ROOMS
        or ROOMS.index(_room(imported)) > ROOMS.index(_room(_module(path)))
    ]
    assert upwards == []


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        module: {m for m in _imports(path) if m in _modules() and m not in {module, "seqlab"}}
        for module, path in _modules().items()
    }
    while leaves := {module for module, imported in graph.items() if not imported}:
        graph = {m: imported - leaves for m, imported in graph.items() if m not in leaves}
    assert graph == {}


def test_reading_experiments_and_resolving_them_needs_no_torch():
    free = [path for path in FILES if _room(_module(path)) in {"experiment", "registry"}]
    assert len(free) > 10
    assert not [path for path in free if "torch" in map(_top, _imports(path))]


def test_only_the_registry_and_the_hooks_know_pluggy():
    users = {str(path.relative_to(CORE)) for path in FILES if "pluggy" in map(_top, _imports(path))}
    assert users == {"hookspecs.py", "registry/registration.py"}


# -- one door to everything fast

SPECIALITIES = {"numba", "llvmlite", "ctypes"}
WORDS = re.compile(r"torch\.ops\.mkldnn|is_compiling\(|_cudnn_rnn|cpu_name|get_capabilities")


def test_what_knows_processors_and_compilers_lies_behind_the_door():
    outside = [path for path in [*FILES, *BUILT_IN] if path.parent.name != "kernels"]
    assert not [p for p in outside if SPECIALITIES & set(map(_top, _imports(p, functions=True)))]
    assert not [path for path in outside if WORDS.search(path.read_text("utf-8"))]


def test_others_import_only_the_names_of_the_door():
    """And its loops, of which a stranger's kernels are made, too."""
    behind = {module for module in _modules() if module.startswith("seqlab.kernels.")}
    inside = behind - {"seqlab.kernels.loops", "seqlab.kernels.blas", "seqlab.kernels.tuning"}
    outside = [p for p in [*FILES, *BUILT_IN] if p.parent != CORE / "kernels"]
    assert not [p for p in outside if inside & set(_imports(p, functions=True))]


def test_both_rooms_of_kernels_have_two_thousand_lines_together():
    files = [path for path in [*FILES, *BUILT_IN] if path.parent.name == "kernels"]
    assert sum(len(path.read_text("utf-8").splitlines()) for path in files) <= 2000


MEASURED = """
    import sys
    from pathlib import Path
    from seqlab import hookimpl
    from seqlab_plugins.cells.recurrent import GRU

    class Measured(GRU):
        @staticmethod
        def step(*arguments):
            frame, names = sys._getframe(1), []
            while frame and frame.f_code.co_name != "steps":
                if "torch/nn/modules/module.py" not in frame.f_code.co_filename:  # torch's calls
                    names.append(frame.f_code.co_name)
                frame = frame.f_back
            with Path("depths.txt").open("a") as depths:
                print(len(names) + 1, file=depths)
            return GRU.step(*arguments)

    @hookimpl
    def seqlab_register_cells():
        return {"measured": Measured}
"""


def test_eight_calls_lead_from_the_training_loop_to_a_grus_arithmetic(tiny, drop):
    drop(MEASURED)
    with seqlab.use_kernels("reference"):
        seqlab.run(tiny | {"cell": {"name": "measured", "hidden_size": 4}, "train": {"steps": 1}})
    assert 0 < max(map(int, Path("depths.txt").read_text().split())) <= 8


# -- printing, lengths, names

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


def test_only_the_command_knows_its_options():
    """What lies below says which setting helps; `seqlab.cli` words it."""
    option = re.compile(r"--(set|plugins|no-plugin|no-local-plugins|run-dir|split)\b")
    lower = [path for path in FILES if _room(_module(path)) != "cli"]
    lower = [path for path in lower if path.name != "command_words.py"]  # run.json keeps them
    assert not [str(path.relative_to(CORE)) for path in lower if _mentions(path, option)]


def _mentions(path: Path, option: re.Pattern[str]) -> bool:
    """Whether a text that can reach a user, which a docstring cannot, mentions an option."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return any(
        option.search(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings
    )


def test_every_file_does_one_thing_in_three_hundred_lines():
    long = {
        path.name: n
        for path in [*FILES, *BUILT_IN]
        if (n := len(path.read_text("utf-8").splitlines())) > 300
    }
    assert long == {}


def test_every_public_name_can_be_had():
    for name in [*dir(seqlab), *seqlab._HOME_OF]:
        assert getattr(seqlab, name) is not None


def test_what_type_checkers_see_is_what_there_is():
    tree = ast.parse((CORE / "__init__.py").read_text("utf-8"))
    seen = {
        alias.asname for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for alias in n.names
    }
    assert seen - {None} == {*seqlab._HOME_OF, "runs"}


def test_what_is_offered_first_is_among_the_public_names():
    assert {*dir(seqlab)} - {"__version__", "runs"} < {*seqlab._HOME_OF}


def test_the_page_on_architecture_names_files_that_are_there():
    page = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
    named = set(re.findall(r"`([\w/]+\.py)`", page.read_text("utf-8"))) - {
        "tests/test_architecture.py"
    }
    there = {str(path.relative_to(PLUGINS.parent)) for path in BUILT_IN}
    there |= {str(path.relative_to(CORE)) for path in FILES}
    assert len(named) > 20
    assert not [
        name for name in named if not any(f"/{path}".endswith(f"/{name}") for path in there)
    ]
