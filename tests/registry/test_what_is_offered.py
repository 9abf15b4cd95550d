"""A kind lists what it supplies always and what it offers; a factory names what it wants of it."""

from __future__ import annotations

import json

import pytest
import yaml

import seqlab
from seqlab import hookspecs
from seqlab.cli.main import call
from seqlab.errors import PluginError
from seqlab.experiment.kinds import KINDS, Kind
from seqlab.registry import resolve
from seqlab.registry.explanation import explain
from seqlab.registry.signature import SignatureError, component_signature
from seqlab.testing import checks_of
from seqlab.testing.promises import Subject

REWARD = Kind("reward", "rewards", "scores", (), ("size",), offers=("tokenizer", "counts", "seed"))
EXPERIMENT = {
    "corpus": "original_lyrics",
    "sampler": {"name": "consecutive", "batch_size": 2, "window": 4},
    "cell": {"name": "gru", "hidden_size": 4},
    "optimizer": {"name": "adam", "lr": 0.1},
    "train": {"steps": 1},
}
PLUGIN = """
    from dataclasses import dataclass, field
    from typing import Protocol
    import seqlab

    class Decoder:
        def choose(self, logits, history, uniform): return logits.argmax(-1)

    class Knows(Decoder):
        'Keeps what it is given.'
        def __init__(self, tokenizer, *, mark: str = ''):
            self.tokenizer, self.mark = tokenizer, mark

    class May(Decoder):
        'Does without.'
        def __init__(self, tokenizer='none', *, unused: int = 1): self.tokenizer = tokenizer

    @seqlab.factory_of("judge")
    class JudgeFactory(Protocol):
        def __call__(self): ...

    @dataclass
    class Beside:
        judge: JudgeFactory = seqlab.component("judge")

    class Around(Decoder):
        'Names nothing itself.'
        def __init__(
            self, *,
            inner: seqlab.DecoderFactory = seqlab.component("knows"),
            others: list[seqlab.DecoderFactory] = [],
            beside: Beside | None = None,
            swap: bool = False,
        ):
            self.inner = inner(tokenizer='another') if swap else inner()
            self.others = [other() for other in others]
            self.beside = beside and beside.judge()

    class Judge:
        'Is of a kind that is offered nothing, and passes on what it does not see.'
        def __init__(self, *, decoder: seqlab.DecoderFactory = seqlab.component("knows")):
            self.decoder = decoder()

    @seqlab.hookimpl
    def seqlab_register_kinds(): return [seqlab.Kind("judge", "judges", "judges")]

    @seqlab.hookimpl
    def mine_register_judges(): return {"judge": Judge}

    @seqlab.hookimpl
    def seqlab_register_decoders(): return {"knows": Knows, "may": May, "around": Around}
"""


@pytest.fixture
def decoder(drop):
    """Return a function that builds a decoder of an experiment."""
    drop(PLUGIN, name="mine")

    def build(section, **offered):
        experiment = seqlab.read_experiment({**EXPERIMENT, "decoder": section})
        return resolve(experiment, seqlab.load_plugins()).decoder.build(**offered)

    return build


def wanted(source):
    names = {}
    exec(f"def mine({source}): pass", names)  # noqa: S102 # a signature under test
    return component_signature(names["mine"], REWARD).wanted


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("size", ()),
        ("size, tokenizer", ("tokenizer",)),
        ("size, seed, tokenizer, counts=None", ("seed", "tokenizer", "counts")),
        ("size, /, seed, *, option: int = 1", ("seed",)),
        ("size, *, seed: int = 1", ()),  # an option of that name
    ],
)
def test_a_factory_names_what_it_wants_in_any_order(source, names):
    assert wanted(source) == names


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("tokenizer, size", "positional parameters are: tokenizer, size"),
        ("size, other", "may name tokenizer and counts and seed before the *, but its"),
        ("size, seed, other=1", "size, seed, other (put an * before the first option)"),
        ("size, seed, /", "takes seed before a /; seqlab passes it by name: put / before"),
        ("seed", "should take (size, *, options), and may name tokenizer"),
    ],
)
def test_another_parameter_is_refused_and_what_is_offered_is_said(source, problem):
    with pytest.raises(SignatureError) as raised:
        wanted(source)
    assert problem in str(raised.value)


def test_a_component_is_given_what_it_names(decoder):
    assert decoder("knows", tokenizer="mine").tokenizer == "mine"
    assert decoder("may", tokenizer="mine").tokenizer == "mine"
    assert decoder("greedy", tokenizer="mine").greedy


def test_what_has_a_default_may_be_missing_and_anything_else_is_named(decoder):
    assert decoder("may").tokenizer == "none"
    with pytest.raises(PluginError, match="'knows' of plugin 'mine' asks for `tokenizer`"):
        decoder("knows")


def test_what_is_offered_reaches_components_inside_at_any_depth(decoder):
    section = {
        "name": "around",
        "inner": {"name": "around", "inner": {"name": "knows", "mark": "deep"}},
        "others": ["greedy", {"name": "knows", "mark": "listed"}],
        "beside": {"judge": "judge"},
    }
    built = decoder(section, tokenizer="mine")
    assert (built.inner.inner.tokenizer, built.inner.inner.mark) == ("mine", "deep")
    assert (built.others[1].tokenizer, built.others[1].mark) == ("mine", "listed")
    assert built.beside.decoder.tokenizer == "mine"  # through a kind that is offered nothing


def test_two_builds_of_one_component_do_not_meet(drop):
    drop(PLUGIN, name="mine")
    experiment = seqlab.read_experiment({**EXPERIMENT, "decoder": "around"})
    bound = resolve(experiment, seqlab.load_plugins()).decoder
    first, second = bound.build(tokenizer="a"), bound.build(tokenizer="b")
    assert (first.inner.tokenizer, second.inner.tokenizer) == ("a", "b")
    with pytest.raises(PluginError, match=r"asks for `tokenizer`.* at 'decoder\.inner'"):
        bound.build()


def test_an_author_may_give_another_one(decoder):
    assert decoder({"name": "around", "swap": True}, tokenizer="mine").inner.tokenizer == "another"


def test_a_name_that_the_kind_does_not_offer_is_a_mistake_of_the_caller(drop):
    drop(PLUGIN, name="mine")
    experiment = seqlab.read_experiment({**EXPERIMENT, "decoder": "around"})
    (inner,) = resolve(experiment, seqlab.load_plugins()).decoder.parts
    with pytest.raises(TypeError, match=r"'decoder\.inner' is called with model, which no decoder"):
        inner(model=1)


def test_a_component_given_in_python_is_given_it_too():
    class Mine:
        """Mine."""

        def __init__(self, tokenizer):
            self.tokenizer = tokenizer

        def choose(self, logits, history, uniform):
            return logits.argmax(-1)

    registry = seqlab.load_plugins(local=False, given=[Mine])
    experiment = seqlab.read_experiment({**EXPERIMENT, "decoder": "mine"})
    assert resolve(experiment, registry).decoder.build(tokenizer="a").tokenizer == "a"


def test_a_component_under_test_is_given_it_and_so_are_its_parts(drop):
    drop(PLUGIN, name="mine")
    registry = seqlab.load_plugins()
    around = Subject.of_component(registry.find("decoder", "around"), {}, registry)
    assert around.build(tokenizer="toy").inner.tokenizer == "toy"
    assert checks_of("decoder")


@pytest.fixture
def command(capsys):
    """Return a function that runs a command, and returns what it prints."""

    def command(*arguments):
        assert call([*arguments]) == 0
        return capsys.readouterr().out

    return command


def test_show_and_explain_say_what_a_component_is_given(drop, command, tmp_path):
    drop(PLUGIN, name="mine")
    assert "\ngiven tokenizer\n" in command("plugins", "show", "decoder", "knows")
    as_json = json.loads(command("plugins", "show", "sampler", "random", "--json"))
    assert as_json["given"] == ["tokens", "seed"]
    (tmp_path / "my.yaml").write_text(yaml.safe_dump({**EXPERIMENT, "decoder": "knows"}))
    assert "is given    tokenizer" in command("explain", str(tmp_path / "my.yaml"), "decoder.name")
    experiment, registry = seqlab.read_experiment(tmp_path / "my.yaml"), seqlab.load_plugins()
    rows = {row.key: row for row in explain(experiment, resolve(experiment, registry), registry)}
    assert rows["sampler.name"].given == "tokens, seed"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_a_kind_offers_is_written_at_its_hook(kind):
    documented = getattr(hookspecs, kind.hook).__doc__
    assert all(f"`{name}`" in documented for name in kind.offers)
