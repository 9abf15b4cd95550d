"""A kind is one declaration: what is written beside it agrees with it, and a plugin has its own."""

from __future__ import annotations

import pytest

import seqlab
from seqlab import hookspecs
from seqlab.experiment.kinds import KINDS
from seqlab.registry.signature import core_options
from seqlab.testing import checks_of, registration

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@every_kind
def test_its_hook_is_written_out_with_what_is_supplied(kind):
    factory = ", ".join([*kind.supplied, "*", "options"])
    assert f"({factory})" in getattr(hookspecs, kind.hook).__doc__


@every_kind
def test_it_has_checks_of_its_own(kind):
    assert any(check.__module__ != registration.__name__ for check in checks_of(kind.name))


@every_kind
def test_its_keys_have_other_names_than_what_is_supplied(kind):
    assert not {*kind.supplied} & {*core_options(kind)}


REWARD = """
    from typing import Protocol
    import seqlab

    class Reward(Protocol):
        def score(self, text: str) -> float: ...

    class Length:
        "How long a text is."
        def __init__(self, *, unit: float = 1.0): self.unit = unit
        def score(self, text): return len(text) / self.unit

    @seqlab.hookimpl
    def seqlab_register_kinds():
        return [seqlab.Kind("reward", "rewards", "scores a text", (Reward,))]

    @seqlab.hookimpl
    def mine_register_rewards():
        return {"length": Length}
"""


def test_a_plugin_declares_a_kind_and_others_offer_components_of_it(drop):
    drop(REWARD, name="mine")
    drop(
        """
        import seqlab
        class Zero:
            def score(self, text): return 0.0
        @seqlab.hookimpl
        def mine_register_rewards():
            return {"zero": Zero}
        """,
        name="another",  # is loaded before the one that declares the kind
    )
    registry = seqlab.load_plugins()
    assert [c.name for c in registry.components("reward")] == ["length", "zero"]
    assert registry.kinds["reward"].methods == (("score",),)
    assert not list(registry.problems())


def problem_of(drop, source):
    drop("import seqlab\nfrom seqlab.experiment.kinds import Section\n" + source, name="mine")
    (plugin,) = (p for p in seqlab.load_plugins().plugins if p.name == "mine")
    return str(plugin.problems[0])


@pytest.mark.parametrize(
    ("kinds", "problem"),
    [
        ("[1]", "hook seqlab_register_kinds should return a list of seqlab.Kind, not 1"),
        ("1 / 0", "hook seqlab_register_kinds failed: ZeroDivisionError: division by zero"),
        (
            "[seqlab.Kind('cell', 'cells', 'x')]",
            "kind 'cell' is one of seqlab already; give it another name",
        ),
        (
            "[seqlab.Kind('a', 'as', 'x'), seqlab.Kind('a', 'as', 'x')]",
            "kind 'a' is one of mine already; give it another name",
        ),
        ("[seqlab.Kind('a b', 'as', 'x')]", "kind 'a b': 'a b' should be a Python name"),
        (
            "[seqlab.Kind('a', 'as', 'x', section=Section('a'))]",
            "kind 'a' has a section: sections are seqlab's own; components name it in their"
            " options",
        ),
    ],
)
def test_what_cannot_be_a_kind_is_refused_with_its_plugin(drop, kinds, problem):
    source = f"@seqlab.hookimpl\ndef seqlab_register_kinds():\n    return {kinds}\n"
    assert problem_of(drop, source).startswith(problem)


def test_a_hook_of_a_kind_that_nobody_declares_is_refused(drop):
    source = "@seqlab.hookimpl\ndef mine_register_rewards():\n    return {}\n"
    assert "implements 'mine_register_rewards', which is not a hook of" in problem_of(drop, source)
