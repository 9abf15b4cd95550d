"""What is said about values: all of it at once, each where it was written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import seqlab
from seqlab.registry import resolve

WRONG = """\
corpus: {name: text, path: t.txt, max_characters: 0}
sampler: consecutiv
cell:
  name: rnn
  hiden_size: 3
  dropout: 2
optimiser: adam
optimizer: {name: adam, lr: fast, clip_norm: -1}
model: {embedding: two, layer: 3}
train: {epochs: 1, device: gpu}
observers: [consol, {name: console, evry: 1}]
samples: {prefixes: [a, 3]}
"""
RIGHT = "corpus: {name: text, path: t.txt}\nsampler: consecutive\ntrain: {epochs: 1}\n"

PLUGIN = """\
from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated
from pydantic import AfterValidator, Field
from seqlab import hookimpl

@dataclass
class Spot:
    x: int

def picky(value: int) -> int:
    if value == 2:
        raise ValueError("any number but two")
    if value == 3:
        raise KeyError("a mistake of the plugin")
    return value

def mine(*, number: int = 0, either: int | list[int] | None = None, spots: list[Spot] = [],
         pair: tuple[int, int] = (1, 2), word: Annotated[str, Field(min_length=1)] = "a",
         picky: Annotated[int, AfterValidator(picky)] = 0): pass

@hookimpl
def seqlab_register_decoders():
    return {"mine": mine}
"""


@pytest.fixture
def complaints(registry):
    """The lines with which an experiment file is refused, overrides laid over it."""

    def complaints(text, *overrides):
        Path("e.yaml").write_text(text, "utf-8")
        with pytest.raises(seqlab.ExperimentError) as caught:
            resolve(seqlab.read_experiment("e.yaml", overrides), registry)
        return str(caught.value).splitlines()

    return complaints


@pytest.fixture(scope="module")
def picky(load_file):
    """What is installed, and a decoder with options of many types."""
    return load_file(PLUGIN)


@pytest.fixture
def says(picky, refused):
    """The key and message of each complaint about the options of that decoder."""

    def says(**options):
        error = refused(picky, decoder={"name": "mine", **options})
        return [(complaint.key, complaint.message) for complaint in error.complaints]

    return says


def test_everything_that_is_wrong_is_said_at_once(complaints):
    keys = {re.split(": ", line)[1] for line in complaints(WRONG)}
    core = {"corpus.max_characters", "optimizer.clip_norm", "model.embedding.name", "model.layer"}
    core |= {"optimiser", "train.device", "samples.prefixes.1"}
    names = {"sampler.name", "observers.0.name", "observers.1.evry"}
    assert keys == core | names | {"cell.hiden_size", "cell.dropout", "optimizer.lr"}


def test_every_complaint_says_where_and_in_one_line(complaints):
    assert [
        line for line in complaints(WRONG) if not re.match(r"e\.yaml:\d+:\d+: [a-z_0-9.]+: ", line)
    ] == []


@pytest.mark.parametrize(
    "line",
    [
        "e.yaml:1:51: corpus.max_characters: should be greater than 0; it is 0",
        "e.yaml:2:10: sampler.name: unknown sampler 'consecutiv'; did you mean 'consecutive'?",
        "e.yaml:6:12: cell.dropout: should be less than 1; it is 2",
        'e.yaml:8:29: optimizer.lr: should be a valid number; it is "fast"',
        "e.yaml:8:46: optimizer.clip_norm: should be greater than 0; it is -1",
        "e.yaml:11:13: observers.0.name: unknown observer 'consol'; did you mean 'console'?",
        "e.yaml:9:20: model.embedding.name: unknown embedding 'two'; there are: character_cnn,"
        " learned, one_hot",
    ],
)
def test_a_complaint_names_the_place_the_key_and_what_would_be_right(complaints, line):
    assert line in complaints(WRONG)


@pytest.mark.parametrize(
    ("line", "key", "end"),
    [
        (5, "cell.hiden_size", "no option 'hiden_size'; did you mean 'hidden_size'?"),
        (7, "optimiser", "unknown section 'optimiser'; did you mean 'optimizer'?"),
        (9, "model.layer", "no option 'layer'; did you mean 'layers'?"),
        (11, "observers.1.evry", "no option 'evry'; did you mean 'every'?"),
    ],
)
def test_a_misspelt_key_is_answered_with_the_one_that_was_meant(complaints, line, key, end):
    (complaint,) = [text for text in complaints(WRONG) if f" {key}: " in text]
    assert complaint.startswith(f"e.yaml:{line}:")
    assert complaint.endswith(end)


def test_a_key_that_is_near_to_nothing_is_answered_with_what_there_is(complaints):
    (line,) = complaints(RIGHT + "cell: {name: rnn, x: 1}\noptimizer: adam\n")
    assert line.endswith("; there are: bidirectional, dropout, hidden_size, num_layers")


@pytest.mark.parametrize(
    ("section", "meant"),
    [
        ("optimizer: {name: adam, clip_nrm: 1}\ncell: rnn", "clip_norm"),
        ("optimizer: adam\ncell: rnn\ncorpus: {name: text, path: x, max_character: 3}", None),
    ],
)
def test_a_misspelt_key_of_the_core_is_answered_with_the_one_that_was_meant(
    complaints, section, meant
):
    base = RIGHT if meant else RIGHT.partition("\n")[2]
    (line,) = complaints(base + section)
    assert line.endswith(f"did you mean '{meant or 'max_characters'}'?")


def test_an_option_that_is_missing_is_said_with_its_type(complaints):
    (line,) = complaints(RIGHT.replace(", path: t.txt", "") + "cell: rnn\noptimizer: adam\n")
    needs = "corpus 'text' needs this option (path | uri | list of path | uri)"
    assert line == f"e.yaml:1:9: corpus.path: {needs}"


def test_a_mistake_in_an_override_names_the_override(complaints):
    (line,) = complaints(RIGHT + "cell: rnn\noptimizer: adam\n", "cell.dropout=2")
    assert line == 'overrides=["cell.dropout=2"]: cell.dropout: should be less than 1; it is 2'


@pytest.mark.parametrize(
    ("holdout", "key"),
    [
        ("0", "holdout: should be greater than 0"),
        ("1", "holdout: should be less than 1"),
        ("{valid: 0.1, test: 0}", "holdout.test: should be greater than 0"),
        ("{valid: 0.6, test: 0.6}", "holdout: should be shares of less than 1 together"),
    ],
)
def test_a_holdout_that_leaves_nothing_on_one_side_is_refused_at_its_place(
    complaints, holdout, key
):
    text = RIGHT.replace("t.txt", f"t.txt, holdout: {holdout}")
    (line,) = complaints(text + "cell: rnn\noptimizer: adam\n")
    assert re.match(rf"e\.yaml:1:\d+: corpus\.{key}", line)


@pytest.mark.parametrize("value", ["x", 1.5, True, {"a": 1}])
def test_the_types_of_a_union_are_said_in_one_line(says, value):
    ((key, message),) = says(either=value)
    assert key == "decoder.either"
    assert "a valid integer or a valid array" in message


def test_a_mistake_in_one_item_is_one_complaint_about_that_item(says):
    assert [key for key, _ in says(either=[1, "2", 3])] == ["decoder.either.1"]


def test_each_wrong_item_of_a_list_is_said_at_its_own_place(says):
    keys = [key for key, _ in says(spots=[{"x": 1}, {"x": "1"}, {"x": True}])]
    assert keys == ["decoder.spots.1.x", "decoder.spots.2.x"]


def test_what_is_shown_is_the_item_that_is_wrong(says):
    ((_, message),) = says(spots=[{"x": 1}, {"x": "bad"}])
    assert message.endswith('it is "bad"')


def test_a_key_that_a_dataclass_lacks_is_an_error(says):
    ((key, _),) = says(spots=[{"x": 1, "y": 2}])
    assert key == "decoder.spots.0.y"


def test_a_key_that_a_dataclass_needs_is_named(says):
    ((key, message),) = says(spots=[{}])
    assert "x" in key.removeprefix("decoder.spots.0") or "'x'" in message


@pytest.mark.parametrize(
    "options", [{"pair": [1]}, {"pair": [1, 2, 3]}, {"spots": [{}]}, {"word": ""}, {"number": "x"}]
)
def test_a_message_reads_as_one_sentence(says, options):
    ((_, message),) = says(**options)
    assert not re.search(r"should be (Field|Tuple|String|List|Input)\b", message)


def test_text_that_no_file_can_hold_is_refused_and_shown_by_its_numbers(says):
    message = 'should be text that UTF-8 can encode; it is "a\\udcff"'
    assert says(word="a\udcff") == [("decoder.word", message)]


def test_a_long_value_is_shown_by_its_beginning(says):
    ((_, message),) = says(number="x" * 1000)
    assert len(message) < 120
    assert '"xxx' in message


def test_a_number_without_end_is_refused_like_any_other(says):
    ((key, _),) = says(word=10**5000)
    assert key == "decoder.word"


def test_the_words_of_a_plugin_are_passed_on(says):
    assert says(picky=2) == [("decoder.picky", "should be any number but two; it is 2")]


def test_a_check_of_a_plugin_that_fails_is_blamed_on_the_plugin(picky, resolved):
    with pytest.raises(seqlab.SeqlabError, match="dropped") as caught:
        resolved(picky, decoder={"name": "mine", "picky": 3})
    assert caught.value.exit_code == 3


def test_the_home_of_somebody_who_is_not_here_is_a_name(registry):
    text = "cell: rnn\noptimizer: adam\n" + RIGHT.replace("t.txt", "~nobody-here/x.txt")
    Path("e.yaml").write_text(text)
    path = resolve(seqlab.read_experiment("e.yaml"), registry).corpus.options["path"]
    assert path.parts[-2:] == ("~nobody-here", "x.txt")


@pytest.mark.parametrize(
    ("corpus", "option", "meant"),
    [
        ("csv", "column", "'text' (the column with the texts)?"),
        ("csv", "Columns", "'text' (the column with the texts)?"),
        ("jsonl", "field", "'text' (the field with the text)?"),
        ("jsonl", "texxt", "'text'?"),
    ],
)
def test_an_option_is_found_by_the_word_that_its_help_has_for_it(complaints, corpus, option, meant):
    told = complaints(f"corpus: {{name: {corpus}, path: a, {option}: x}}\nsampler: consecutive\n")
    assert any(f"has no option '{option}'; did you mean {meant}" in line for line in told)
