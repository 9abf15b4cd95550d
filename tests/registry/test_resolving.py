"""From sections to bound factories."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import seqlab
from seqlab.errors import PluginError
from seqlab.registry import resolve

PLUGIN = """\
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
from seqlab import hookimpl

@dataclass
class Place:
    path: Path

def paths(*, one: Path = Path("/x"), some: list[Path] = [], two: tuple[Path, ...] = (),
          named: dict[str, Path] = {}, place: Place | None = None): pass

class Quiet:
    def seqlab_run_ended(self, record): pass

def refuses(*, size: int = 1): raise ValueError("size should be even")
def fails(*, size: int = 1): raise KeyError("size")

@hookimpl
def seqlab_register_decoders():
    return {"paths": paths, "refuses": refuses, "fails": fails}

@hookimpl
def seqlab_register_observers():
    return {"quiet": Quiet}
"""


@pytest.fixture(scope="module")
def plugged(load_file):
    return load_file(PLUGIN)


def names(observers):
    return [observer.component.name for observer in observers]


@pytest.mark.parametrize("section", ["corpus", "sampler", "cell", "optimizer", "train"])
@pytest.mark.parametrize("absent", [..., None], ids=["absent", "null"])
def test_a_section_that_is_missing_is_named(registry, refused, section, absent):
    assert str(refused(registry, **{section: absent})) == (
        f"experiment: {section}: this section is missing"
    )


def test_all_sections_that_are_missing_are_named_at_once(registry):
    Path("e.yaml").write_text("decoder: greedy\n")
    with pytest.raises(seqlab.ExperimentError) as caught:
        resolve(seqlab.read_experiment("e.yaml"), registry)
    assert [c.key for c in caught.value.complaints] == [
        *("corpus", "sampler", "cell", "optimizer", "train")
    ]


@pytest.mark.parametrize("value", [{}, None])
def test_a_section_that_nobody_reads_is_an_error(registry, refused, value):
    assert str(refused(registry, sample=value)).endswith(
        "sample: unknown section 'sample'; did you mean 'samples'?"
    )


@pytest.mark.parametrize(
    "value", [3, [], ["rnn"], {}, {"name": None}, {"name": 3}, {"name": []}, True]
)
def test_a_section_without_a_name_is_refused(registry, refused, value):
    assert "name" in str(refused(registry, cell=value))


@pytest.mark.parametrize(
    ("section", "name"),
    [("tokenizer", "characters"), ("schedule", "constant"), ("decoder", "greedy")],
)
@pytest.mark.parametrize("absent", [..., None], ids=["absent", "null"])
def test_a_section_that_has_a_default_may_be_left_out(registry, resolved, section, name, absent):
    bound = getattr(resolved(registry, **{section: absent}), section)
    assert bound.component.name == name


def test_a_model_that_is_not_described_has_its_defaults(registry, resolved):
    model = resolved(registry).model
    assert (model.embedding.component.name, model.layers, model.dropout) == ("one_hot", 1, 0.0)


def test_no_samples_are_drawn_unless_asked_for(registry, resolved):
    assert resolved(registry).samples is None


def test_a_name_is_short_for_a_mapping_with_a_name(registry, resolved):
    short, long = resolved(registry, cell="gru"), resolved(registry, cell={"name": "gru"})
    assert short.as_experiment() == long.as_experiment()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (..., ["console"]),
        ([], ["console"]),
        (["quiet"], ["quiet", "console"]),
        (["console", "quiet"], ["console", "quiet"]),
        ([{"name": "quiet"}, {"name": "console", "every": 2}], ["quiet", "console"]),
    ],
)
def test_observers_keep_their_order_and_the_console_is_always_there(
    plugged, resolved, written, expected
):
    assert names(resolved(plugged, observers=written).observers) == expected


@pytest.mark.parametrize("value", ["console", {"name": "console"}, 3])
def test_observers_are_a_list(registry, refused, value):
    assert "observers: should be a list of names or mappings" in str(
        refused(registry, observers=value)
    )


def test_a_console_that_is_switched_off_is_said_where_the_experiment_is(tiny):
    registry = seqlab.load_plugins(without=["seqlab-observers"])
    with pytest.raises(seqlab.ExperimentError, match=r"^experiment: observers"):
        resolve(seqlab.read_experiment(tiny), registry)


@pytest.mark.parametrize("length", [{"epochs": 1}, {"steps": 1}, {"epochs": 0}, {"steps": 0}])
def test_training_ends_after_epochs_or_after_steps(registry, resolved, length):
    train = resolved(registry, train=length).train
    given = {"epochs": train.epochs, "steps": train.steps}
    assert {key: value for key, value in given.items() if value is not None} == length


@pytest.mark.parametrize("length", [{}, {"epochs": None}, {"epochs": None, "steps": None}])
def test_training_needs_epochs_or_steps(registry, refused, length):
    assert str(refused(registry, train=length)) == "experiment: train: needs epochs or steps"


def test_training_takes_no_more_than_one_of_epochs_and_steps(registry, refused):
    message = "experiment: train: has epochs and steps; set one of them to null"
    assert str(refused(registry, train={"epochs": 1, "steps": 1})) == message


def test_a_cell_may_say_that_it_does_not_read_backwards(registry, resolved):
    assert resolved(registry, cell={"name": "rnn", "bidirectional": False})


@pytest.mark.parametrize("stand_in", ["original_lyrics", {"name": "text", "path": "/x"}])
def test_a_stand_in_is_a_corpus_of_its_own(registry, resolved, tiny, stand_in):
    corpus = {**tiny["corpus"], "if_unavailable": stand_in}
    expected = stand_in if isinstance(stand_in, str) else stand_in["name"]
    assert resolved(registry, corpus=corpus).stand_in.component.name == expected


@pytest.mark.parametrize(
    "stand_in", ["original_lyric", {"name": "text"}, {"name": "text", "path": 3}, 3, []]
)
def test_a_stand_in_that_cannot_be_used_is_an_error(registry, refused, tiny, stand_in):
    error = refused(registry, corpus={**tiny["corpus"], "if_unavailable": stand_in})
    assert all(c.key.startswith("corpus.if_unavailable") for c in error.complaints)


@pytest.mark.parametrize(
    ("option", "value", "paths_of"),
    [
        ("one", "a", lambda v: [v]),
        ("one", "../a", lambda v: [v]),
        ("some", "[a, b/c]", list),
        ("two", "[a, b]", list),
        ("named", "{x: a}", lambda v: list(v.values())),
        ("place", "{path: a}", lambda v: [v.path]),
    ],
)
def test_a_path_is_relative_to_its_file_wherever_it_stands_in_a_value(
    plugged, tiny, option, value, paths_of
):
    base = seqlab.read_experiment(tiny).source
    Path("deep").mkdir()
    Path("deep/e.yaml").write_text(f"{base}decoder: {{name: paths, {option}: {value}}}\n")
    bound = resolve(seqlab.read_experiment("deep/e.yaml"), plugged).decoder
    assert all(
        path.is_relative_to(Path("deep").absolute()) for path in paths_of(bound.options[option])
    )


def test_a_path_in_a_mapping_is_relative_to_the_working_folder(registry, resolved):
    resolved_path = resolved(registry, corpus={"name": "text", "path": "a"}).corpus.options["path"]
    assert resolved_path == Path("a").absolute()


def test_a_tilde_is_the_home_of_the_user(registry, resolved, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    corpus = resolved(registry, corpus={"name": "text", "path": "~/a"}).corpus
    assert corpus.options["path"] == Path("/home/somebody/a")


EXTRA = {
    "nothing": {},
    "model": {"model": {"embedding": 8, "norm": "rms"}},
    "pair": {"optimizer": {"name": "adam", "betas": [0.5, 0.75], "clip_norm": 1}},
    "paths": {"decoder": {"name": "paths", "some": ["/a"], "named": {"b": "/c"}}},
    "dataclass": {"decoder": {"name": "paths", "place": {"path": "/a"}}},
    "samples": {"samples": {"prefixes": ["分开", "1e-3", "no"], "at_start": True}},
    "observers": {"observers": ["quiet", {"name": "console", "every": 2}]},
    "steps": {"train": {"steps": 3, "seed": 2**63 - 1, "device": "cuda:1"}},
    "stand-in": {"corpus": {"name": "text", "path": "/a", "if_unavailable": "original_lyrics"}},
}


@pytest.mark.parametrize("sections", EXTRA.values(), ids=EXTRA.keys())
def test_what_was_resolved_is_an_experiment_that_resolves_to_the_same(plugged, resolved, sections):
    first = resolved(plugged, **sections)
    Path("resolved.yaml").write_text(seqlab.read_experiment(first.as_experiment()).source)
    again = resolve(seqlab.read_experiment("resolved.yaml"), plugged)
    assert again.as_experiment() == first.as_experiment()
    assert again.decoder.options == first.decoder.options
    assert again.optimizer_keys == first.optimizer_keys


def test_what_was_resolved_means_the_same_in_any_folder(registry, tiny):
    corpus = "corpus: {path: a.txt, if_unavailable: {name: text, path: b.txt}}\n"
    Path("e.yaml").write_text(f"extends: base.yaml\n{corpus}")
    Path("base.yaml").write_text(seqlab.read_experiment(tiny).source)
    section = resolve(seqlab.read_experiment("e.yaml"), registry).as_experiment()["corpus"]
    assert section["path"] == str(Path("a.txt").absolute())
    assert section["if_unavailable"]["path"] == str(Path("b.txt").absolute())


def test_a_component_that_refuses_its_options_is_told_with_their_place(plugged, tiny):
    source = seqlab.read_experiment(tiny).source
    Path("e.yaml").write_text(f"decoder: refuses\n{source}")
    with pytest.raises(seqlab.ExperimentError, match=r"^e\.yaml:1:10: decoder: size should be"):
        resolve(seqlab.read_experiment("e.yaml"), plugged).decoder.build()


def test_a_component_that_fails_is_told_with_its_plugin(plugged, resolved):
    with pytest.raises(PluginError, match=r"decoder 'fails' of plugin 'dropped' failed: KeyError"):
        resolved(plugged, decoder="fails").decoder.build()


SECTIONS = ["corpus", "cell", "optimizer", "model", "train", "samples", "observers", "decoder", "x"]
WORDS = st.sampled_from(["name", "rnn", "text", "path", "lr", "epochs", "prefixes", "console", ""])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.sampled_from(SECTIONS), VALUES, min_size=1))
def test_any_sections_resolve_or_are_refused_and_nothing_else(registry, tiny, sections):
    with contextlib.suppress(seqlab.ExperimentError):
        resolve(seqlab.read_experiment(tiny | sections), registry)


def test_an_observer_that_is_listed_twice_is_refused_where_it_is(plugged, refused):
    listed = ["quiet", {"name": "console", "every": 2}, {"name": "quiet"}]
    assert str(refused(plugged, observers=listed)) == (
        "experiment: observers.2: observer 'quiet' is listed before with the same options"
    )
