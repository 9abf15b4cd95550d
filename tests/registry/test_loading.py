"""Plugins that work, and plugins that fail in every way there is: each takes only itself down."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqlab
from seqlab.errors import UsageError

HEAD = "from seqlab import hookimpl\n"
HOOK = "@hookimpl\ndef seqlab_register_decoders():\n    "
GOOD = f"{HEAD}class mine: pass\n{HOOK}return {{'mine': mine}}\n"
DATACLASS = f"""\
from __future__ import annotations
from dataclasses import dataclass
{HEAD}
@dataclass
class Spot:
    x: int = 1

class mine:
    def __init__(self, *, spot: Spot = Spot()): pass

{HOOK}return {{'mine': mine}}
"""
HOSTILE_FACTORY = "class Odd:\n    def __call__(self): pass\n"


@pytest.mark.parametrize("source", [GOOD, DATACLASS], ids=["class", "dataclass"])
def test_a_file_that_is_dropped_in_is_a_plugin(drop, resolved, source):
    drop(source)
    registry = seqlab.load_plugins()
    assert list(registry.problems()) == []
    assert resolved(registry, decoder="mine").decoder.component.plugin == "dropped"


def test_a_file_may_use_dataclasses_and_late_annotations(drop, resolved):
    drop(DATACLASS)
    decoder = resolved(seqlab.load_plugins(), decoder={"name": "mine", "spot": {"x": 3}}).decoder
    assert decoder.options["spot"].x == 3


def test_an_installed_package_is_a_plugin(install, resolved):
    install("fine_package", GOOD, version="2.5")
    registry = seqlab.load_plugins()
    assert resolved(registry, decoder="mine").decoder.component.plugin == "fine_package"
    assert registry.plugin("fine_package").origin == "fine_package 2.5"


def test_an_entry_point_may_lie_deep_in_a_package(install, tmp_path):
    install("deep", "", point="deep-one = deeper.inside")
    package = tmp_path / "site-deep" / "deeper"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inside.py").write_text(GOOD)
    registry = seqlab.load_plugins()
    assert registry.plugin("deep-one").path == package / "inside.py"
    assert registry.find("decoder", "mine").plugin == "deep-one"


def broken(hook: str) -> str:
    return f"{HEAD}{HOOK}{hook}\n"


def offered(definition: str) -> str:
    return f"{HEAD}{definition}\n{HOOK}return {{'mine': mine}}\n"


BROKEN = {
    "missing module": ("import not_installed\n" + GOOD, "No module named 'not_installed'"),
    "own error": (
        "raise ValueError('two\\nlines')\n",
        "two lines (plugins/dropped.py, line 1)",
    ),
    "exit": ("import sys\nsys.exit(3)\n" + GOOD, "cannot be imported: SystemExit: 3"),
    "exit without a word": ("raise SystemExit\n", "cannot be imported: SystemExit"),
    "no Exception": ("raise BaseException('x')\n", "cannot be imported: BaseException: x"),
    "recursion": ("def f(): f()\nf()\n", "cannot be imported: RecursionError"),
    "syntax": (GOOD + "def x(:\n", "cannot be imported: SyntaxError"),
    "null byte": (GOOD + "\0", "cannot be imported: SyntaxError"),
    "nameless error": (
        "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E\n",
        "cannot be imported: E",
    ),
    "no hook": ("x = 1\n", "implements no hook; is @hookimpl missing?"),
    "empty": ("", "implements no hook; is @hookimpl missing?"),
    "no marker": (GOOD.replace("@hookimpl\n", ""), "is @hookimpl missing?"),
    "no marker beside one that has it": (
        f"{GOOD}def seqlab_register_cells(): return {{}}\n",
        "has a function 'seqlab_register_cells' that is not a hook; is @hookimpl missing?",
    ),
    "misspelt hook": (
        GOOD.replace("decoders", "decoder"),
        "implements 'seqlab_register_decoder', which is not a hook of seqlab;"
        " did you mean 'seqlab_register_decoders'?",
    ),
    "one misspelt hook of two": (
        f"{GOOD}@hookimpl\ndef seqlab_register_cels(): return {{}}\n",
        "did you mean 'seqlab_register_cells'?",
    ),
    "hook without the prefix": (
        GOOD.replace("seqlab_register_decoders", "register_decoders"),
        "did you mean 'seqlab_register_decoders'?",
    ),
    "event as a hook": (
        f"{GOOD}@hookimpl\ndef seqlab_run_ended(record): pass\n",
        "implements seqlab_run_ended as a hook, but only observers receive events",
    ),
    "hook with an argument": (GOOD.replace("s():", "s(manager):"), "seqlab_register_decoders"),
    "hook raises": (
        broken("return {'mine': 1 / 0}"),
        "failed: ZeroDivisionError: division by zero (plugins/dropped.py, line ",
    ),
    "hook exits": (broken("raise SystemExit(0)"), "hook seqlab_register_decoders failed: SystemE"),
    "hook returns a list": (broken("return ['mine']"), "should return a dict of names and factor"),
    "hook returns nothing": (broken("pass"), "should return a dict of names and factories"),
    "hook yields": (broken("yield 'mine', 3"), "should return a dict of names and factories"),
    "numbers as names": (broken("return {1: dict}"), "should return a dict of names and factories"),
    "hook's dict raises": (
        HEAD
        + "class D(dict):\n    def items(self): raise KeyError\n"
        + HOOK
        + "return D(mine=3)\n",
        "hook seqlab_register_decoders failed: KeyError",
    ),
    "any options": (offered("def mine(**options): pass"), "takes **options"),
    "unknown type": (offered("def mine(*, x: 'Nope'): pass"), "name 'Nope' is not defined"),
    "number": (offered("mine = 3"), "not a class or function"),
    "factory with an odd docstring": (
        offered("def mine(): pass\nmine.__doc__ = 3"),
        "decoder 'mine'",
    ),
    "factory whose attributes raise": (
        offered(
            HOSTILE_FACTORY + "    def __getattr__(self, name): raise RuntimeError\nmine = Odd()"
        ),
        "decoder 'mine'",
    ),
    "factory whose signature raises": (
        offered(HOSTILE_FACTORY + "    __signature__ = property(lambda self: 1 / 0)\nmine = Odd()"),
        "decoder 'mine'",
    ),
    "module whose names cannot be listed": (GOOD + "def __dir__(): raise RuntimeError\n", ""),
}


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_plugin_that_fails_is_named_and_stops_nothing_else(drop, resolved, source, reason):
    drop(source)
    drop(GOOD.replace("'mine'", "'other'"), "later")
    registry = seqlab.load_plugins()
    (problem,) = registry.problems()
    assert problem.startswith("plugin 'dropped' (")
    assert reason in problem
    assert "\n" not in problem
    assert resolved(registry, decoder="other").cell.component.name == "rnn"


@pytest.mark.parametrize(
    "way", ["missing module", "exit", "syntax", "misspelt hook", "any options"]
)
def test_a_package_that_fails_is_named_and_stops_nothing_else(install, resolved, way):
    source, reason = BROKEN[way]
    install("broken_package", source)
    install("later", GOOD)
    registry = seqlab.load_plugins()
    assert [reason in problem for problem in registry.problems()] == [True]
    assert resolved(registry, decoder="mine").cell.component.name == "rnn"


def test_a_plugin_that_fails_is_named_with_its_distribution_and_version(install):
    install("sick", "import not_installed", version="3.1")
    (problem,) = seqlab.load_plugins().problems()
    assert problem.startswith("plugin 'sick' (sick 3.1): cannot be imported: ModuleNotFoundError")


def test_a_plugin_that_fails_is_named_with_its_file(drop):
    drop("import not_installed")
    (problem,) = seqlab.load_plugins().problems()
    assert problem.startswith("plugin 'dropped' (plugins/dropped.py): ")


@pytest.mark.parametrize(
    "point",
    ["odd = odd:mine", "odd = odd:nothing", "odd = not_there", "odd = .x", "odd = not a module!"],
)
def test_an_entry_point_that_is_no_module_stops_nothing_else(install, resolved, point):
    install("odd", GOOD, point)
    registry = seqlab.load_plugins()
    (problem,) = registry.problems()
    assert problem.startswith("plugin 'odd' (odd 1.0): cannot be imported: ")
    assert resolved(registry).cell.component.name == "rnn"


def test_entry_points_that_cannot_be_parsed_stop_nothing_else(install, resolved):
    install("odd", GOOD, point="no equals sign")
    assert resolved(seqlab.load_plugins()).cell.component.name == "rnn"


def test_one_bad_factory_leaves_the_others_of_its_plugin_usable(drop, resolved):
    factories = "def bad(**options): pass\ndef good(): pass\n"
    drop(f"{HEAD}{factories}{HOOK}return {{'bad': bad, 'good': good}}\n")
    registry = seqlab.load_plugins()
    assert resolved(registry, decoder="good").decoder.component.name == "good"
    assert "decoder 'bad' takes **options" in next(iter(registry.problems()))


def test_one_hook_that_raises_leaves_the_others_of_its_plugin_usable(drop, resolved):
    drop(f"{GOOD}@hookimpl\ndef seqlab_register_cells(): raise RuntimeError\n")
    registry = seqlab.load_plugins()
    assert resolved(registry, decoder="mine").decoder.component.name == "mine"
    assert "hook seqlab_register_cells failed: RuntimeError" in next(iter(registry.problems()))


def test_an_observer_with_a_misspelt_event_is_refused_with_the_right_one(offer):
    (problem,) = offer(
        "class mine:\n    def seqlab_step_end(self, record): pass", "observer"
    ).problems()
    assert "'seqlab_step_end', which is not an event; did you mean 'seqlab_step_ended'?" in problem


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "SystemExit(5)", "GeneratorExit"])
def test_what_a_plugin_raises_at_its_import_is_its_failure(drop, raised):
    drop(f"raise {raised}")
    (problem,) = seqlab.load_plugins().problems()
    assert f"cannot be imported: {raised.partition('(')[0]}" in problem


def test_ctrl_c_at_the_import_of_a_plugin_is_nobodys_failure(drop):
    drop("import signal; signal.raise_signal(signal.SIGINT)")
    with pytest.raises(KeyboardInterrupt):
        seqlab.load_plugins()


def test_two_plugins_of_one_name_are_told_apart_in_one_short_line(install, drop, resolved):
    install("dropped", GOOD)
    drop(GOOD.replace("'mine'", "'other'"))
    registry = seqlab.load_plugins()
    (problem,) = registry.problems()
    assert len(problem) < 300
    assert resolved(registry, decoder="mine").decoder.component.plugin == "dropped"


@pytest.mark.parametrize("name", ["_private", ".hidden"])
def test_a_file_that_is_hidden_or_private_is_no_plugin(drop, registry, name):
    drop("raise RuntimeError", name)
    assert len(seqlab.load_plugins().plugins) == len(registry.plugins)


def test_dropped_in_files_may_be_left_alone(drop, registry):
    drop("raise RuntimeError")
    assert len(seqlab.load_plugins(local=False).plugins) == len(registry.plugins)


def test_a_folder_of_plugins_may_be_named(drop):
    drop(GOOD)
    Path("plugins").rename("elsewhere")
    assert seqlab.load_plugins("elsewhere").find("decoder", "mine").plugin == "dropped"


@pytest.mark.parametrize("folder", ["missing", "plugins/dropped.py"])
def test_a_named_folder_that_is_none_is_a_mistake_of_use(drop, folder):
    drop(GOOD)
    with pytest.raises(UsageError, match="is not a folder"):
        seqlab.load_plugins(folder)


def test_packages_of_others_stay_out_where_autoload_is_off(install, drop, monkeypatch):
    install("stranger", "raise RuntimeError")
    drop(GOOD)
    monkeypatch.setenv("SEQLAB_DISABLE_PLUGIN_AUTOLOAD", "1")
    registry = seqlab.load_plugins()
    assert list(registry.problems()) == []
    assert registry.find("decoder", "mine").plugin == "dropped"


def test_a_plugin_that_is_left_out_is_not_even_imported(drop):
    drop("open('imported', 'w').close()")
    seqlab.load_plugins(without=["dropped"])
    assert not Path("imported").exists()


@pytest.mark.parametrize(
    ("name", "hint"),
    [("seqlab-cell", "did you mean 'seqlab-cells'?"), ("zzz", "there are: seqlab-a")],
)
def test_leaving_out_what_is_not_there_is_a_mistake_of_use(name, hint):
    message = rf'load_plugins\(without=\["{name}"\]\): no such plugin; '
    with pytest.raises(UsageError, match=message) as caught:
        seqlab.load_plugins(without=[name])
    assert hint in str(caught.value)


def test_loading_twice_gives_the_same_twice(drop, resolved):
    drop(DATACLASS)
    first, second = seqlab.load_plugins(), seqlab.load_plugins()
    assert [plugin.name for plugin in first.plugins] == [plugin.name for plugin in second.plugins]
    for registry in (first, second):
        resolved(registry, decoder={"name": "mine", "spot": {"x": 2}})
