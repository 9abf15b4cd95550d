"""Which component a name stands for, and why it stands for none."""

from __future__ import annotations

import pytest

import seqlab

HEAD = "from seqlab import hookimpl\n"
HOOK = "@hookimpl\ndef seqlab_register_decoders():\n    "
CLASH = "decoder 'mine' is offered by 'first' (first 1.0) and 'second' (plugins/second.py)"


def offering(*names: str) -> str:
    offers = ", ".join(f"'{name}': mine" for name in names)
    return f"{HEAD}class mine: pass\n{HOOK}return {{{offers}}}\n"


@pytest.fixture
def clash(install, drop):
    """Two plugins that offer one name, and another name each."""
    install("first", offering("mine", "one"))
    drop(offering("mine", "two"), "second")


def test_two_plugins_that_offer_one_name_are_both_named(clash):
    (problem,) = seqlab.load_plugins().problems()
    assert problem == f'{CLASH}; run with seqlab.load_plugins(without=["NAME"])'


def test_a_name_that_two_plugins_offer_cannot_be_used(clash, refused):
    error = refused(seqlab.load_plugins(), decoder="mine")
    assert CLASH in str(error)
    assert error.exit_code == 3


def test_a_name_that_two_plugins_offer_is_not_listed(clash):
    listed = [component.name for component in seqlab.load_plugins().components("decoder")]
    assert "mine" not in listed
    assert {"greedy", "one", "two"} <= set(listed)


@pytest.mark.parametrize("name", ["one", "two", "greedy"])
def test_a_clash_leaves_the_other_names_usable(clash, resolved, name):
    assert resolved(seqlab.load_plugins(), decoder=name).decoder.component.name == name


@pytest.mark.parametrize(("off", "left"), [("first", "second"), ("second", "first")])
def test_switching_one_off_repairs_a_clash(clash, resolved, off, left):
    registry = seqlab.load_plugins(without=[off])
    assert list(registry.problems()) == []
    assert resolved(registry, decoder="mine").decoder.component.plugin == left


def test_one_name_for_two_kinds_is_no_clash(drop, resolved):
    drop(offering("console"))
    assert resolved(seqlab.load_plugins(), decoder="console").decoder.component.plugin == "dropped"


def test_a_clash_with_a_default_is_an_error_though_nobody_wrote_it(drop, refused):
    drop(offering("greedy"))
    error = refused(seqlab.load_plugins())
    assert (error.exit_code, error.complaints[0].key) == (3, "decoder.name")


def test_an_unknown_name_is_answered_with_a_near_one(registry, refused):
    error = refused(registry, cell="lstn")
    assert str(error).endswith("unknown cell 'lstn'; did you mean 'lstm'?")
    assert error.exit_code == 2


def test_an_unknown_name_that_is_near_to_none_is_answered_with_all(registry, refused):
    names = ", ".join(component.name for component in registry.components("cell"))
    assert str(refused(registry, cell="zzz")).endswith(f"; there are: {names}")


def test_an_unknown_name_mentions_the_plugins_that_failed(drop, refused):
    drop("import not_installed")
    error = refused(seqlab.load_plugins(), cell="zzz")
    assert "(plugins that failed: 'dropped')" in str(error)
    assert error.exit_code == 2


@pytest.mark.parametrize(
    "source",
    [
        f"import not_installed\n{offering('mine')}",
        f"{offering('mine')}def broken(:\n",
        f"raise SystemExit\n{HEAD}{HOOK}return dict(mine=dict)\n",
        f"{HEAD}{HOOK}return {{'mine': 1 / 0}}\n",
        f"{HEAD}{HOOK}return ['mine']\n",
        f"{HEAD}def mine(**options): pass\n{HOOK}return {{'mine': mine}}\n",
        offering("mine").replace("decoders", "decoder"),
        offering("mine").replace("@hookimpl\n", ""),
    ],
    ids=["import", "syntax", "exit", "raises", "list", "options", "misspelt", "no marker"],
)
def test_a_name_of_a_plugin_that_failed_is_told_with_its_reason(drop, refused, source):
    drop(source)
    error = refused(seqlab.load_plugins(), decoder="mine")
    reason = "decoder 'mine' cannot be loaded: plugin 'dropped' (plugins/dropped.py) failed: "
    assert reason in str(error)
    assert error.exit_code == 3


def test_a_name_of_an_installed_plugin_that_failed_is_told_with_its_version(install, refused):
    install("sick", f"import not_installed\n{offering('mine')}", version="3.1")
    error = refused(seqlab.load_plugins(), decoder="mine")
    assert "plugin 'sick' (sick 3.1) failed: cannot be imported" in str(error)
    assert error.exit_code == 3


def test_a_plugin_that_failed_is_nothing_to_an_experiment_without_it(drop, resolved):
    drop(f"import not_installed\n{offering('mine')}")
    assert resolved(seqlab.load_plugins()).decoder.component.name == "greedy"


def test_an_option_that_does_not_exist_is_neither_of_these(drop, refused):
    drop("import not_installed")
    error = refused(seqlab.load_plugins(), cell={"name": "rnn", "x": 1})
    assert error.exit_code == 2
    assert "cell 'rnn' has no option 'x'" in str(error)


def test_a_mistake_of_a_plugin_outweighs_a_mistake_of_the_file(drop, refused):
    drop(f"import not_installed\n{offering('mine')}")
    error = refused(seqlab.load_plugins(), decoder="mine", cell="zzz")
    assert (error.exit_code, len(error.complaints)) == (3, 2)
