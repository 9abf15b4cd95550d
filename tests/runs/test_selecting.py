"""Conditions on runs, and their order."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqlab
from seqlab.errors import UsageError
from seqlab.experiment.yaml12 import dump_flow
from seqlab.runs.folder import RunFolder
from seqlab.runs.listing import COLUMNS, ListedRun, age_in_words, differences, list_runs
from seqlab.runs.selecting import in_order, parse_condition, selected

KEYS = st.from_regex(r"[a-z_]+(\.[a-z_0-9]+){0,3}", fullmatch=True)
OPERATORS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])


def listed(settings=MappingProxyType({}), **row):
    return ListedRun(RunFolder(Path("x")), dict.fromkeys(COLUMNS) | row, settings)


@given(KEYS, OPERATORS, st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_condition_on_a_number_is_read_as_it_was_written(key, operator, number):
    condition = parse_condition(f" {key} {operator} {dump_flow(number)} ")
    assert (condition.key, condition.operator, condition.value) == (key, operator, number)


@given(KEYS, st.text(max_size=20))
def test_any_text_may_be_a_value(key, text):
    condition = parse_condition(f"{key}={text}")
    assert condition.key == key
    assert condition.text == text.lstrip("=").strip() or text.startswith("=")


@given(st.text(st.characters(exclude_characters="=<>"), max_size=30))
def test_what_has_no_operator_is_no_condition(text):
    with pytest.raises(UsageError, match="condition"):
        parse_condition(text)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_orders_agree_with_numbers(has, wanted):
    run = listed({"train": {"x": has}})
    for operator, expected in {"<": has < wanted, ">": has > wanted, "=": has == wanted}.items():
        assert parse_condition(f"train.x{operator}{wanted!r}").holds(run) is expected
    assert parse_condition(f"train.x!={wanted!r}").holds(run) is (has != wanted)


RUN = listed(
    {
        "cell": {"name": "gru", "hidden_size": 8, "layers": [{"name": "lstm", "size": 3}]},
        "optimizer": {"name": "adam", "lr": 0.001},
        "train": {"steps": None, "deterministic": True},
        "samples": {"prefixes": ["分开", "x"]},
    },
    run="jay",
    id="123456",
    status="finished",
    best=12.5,
    tags=["good", "slow"],
)


@pytest.mark.parametrize(
    "text",
    [
        "cell=gru",
        "cell==gru",
        "cell.name=gru",
        "cell.hidden_size=8",
        "cell.hidden_size=8.0",
        "optimizer.lr=1e-3",
        "lr=0.001",
        "lr<=0.001",
        "cell.layers.0=lstm",
        "cell.layers.0.size>2",
        "train.steps=null",
        "train.deterministic=true",
        "samples.prefixes=[分开, x]",
        "id=123456",
        "name=jay",
        "status!=failed",
        "best<20",
        "tag=good",
        "tag!=bad",
        "cell!=rnn",
        "size!=5",
    ],
)
def test_a_condition_that_holds(text):
    assert selected([RUN, listed({"cell": {"size": 1}})], [parse_condition(text)])[0] is RUN


@pytest.mark.parametrize(
    "text",
    [
        "cell=rnn",
        "lr>0.001",
        "train.deterministic=1",
        "tag=goo",
        "tag!=good",
        "tag!=slow",
        "cell<3",
        "status=fin",
        "train.steps<5",
        "id=0123456",
    ],
)
def test_a_condition_that_does_not(text):
    assert selected([RUN], [parse_condition(text)]) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cell", "should be KEY=VALUE"),
        ("=gru", "should be KEY=VALUE"),
        ("best<low", "compares numbers, and 'low' is none"),
    ],
)
def test_a_condition_that_is_none(text, message):
    with pytest.raises(UsageError, match=message):
        parse_condition(text)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("cel", "did you mean 'cell'"),
        ("cell.hidden", "did you mean 'cell.hidden_size'"),
        ("zzz", "columns are run, id, "),
        ("name.x", "no run has the key 'name.x'"),
    ],
)
def test_a_key_that_no_run_has_is_a_mistake(key, message):
    for act in (
        lambda: selected([RUN], [parse_condition(f"{key}=1")]),
        lambda: in_order([RUN], key),
    ):
        with pytest.raises(UsageError, match=message):
            act()


def test_the_last_part_of_several_keys_is_not_enough():
    run = listed({"a": {"size": 1}, "b": {"size": 2}})
    with pytest.raises(UsageError, match=r"could be a\.size or b\.size"):
        in_order([run], "size")


@given(st.lists(st.none() | st.integers() | st.text(max_size=3), min_size=1))
def test_an_order_has_what_lacks_the_key_last_either_way(values):
    runs = [listed(best=value) for value in values]
    up, down = ([run.row["best"] for run in in_order(runs, key)] for key in ("best", "-best"))
    assert sorted(map(str, up)) == sorted(map(str, values))
    present = [value for value in up if value is not None]
    assert up == present + [None] * (len(up) - len(present))
    assert sorted(map(repr, down)) == sorted(map(repr, up))
    numbers = [value for value in present if not isinstance(value, str)]
    assert numbers == sorted(numbers) == present[: len(numbers)]
    assert (None in down[: len(present)]) is False


def test_an_order_by_settings_and_tags():
    runs = [listed({"optimizer": {"lr": lr}}) for lr in (0.1, 0.001, 0.01)]
    assert in_order(runs, "-optimizer.lr") == [runs[0], runs[2], runs[1]]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s ago"),
        (61, "1 min ago"),
        (3 * 3600, "3 h ago"),
        (86400, "1 day ago"),
        (86400 * 40, "40 days ago"),
    ],
)
def test_an_age_is_told_in_one_unit(seconds, words):
    assert age_in_words(seconds) == words


# -- what a list knows


def rows(*folders):
    return list_runs(map(RunFolder, folders))


def test_the_best_is_that_of_training_where_nothing_is_evaluated(make_run):
    (run,) = rows(make_run("runs/x/a", losses=[3.0, 1.5, 2.0]))
    assert (run.row["split"], run.row["metric"]) == ("train", "perplexity")
    assert run.row["best"] == pytest.approx(math.exp(1.5), abs=1e-6)
    assert run.row["perplexity"] == pytest.approx(math.exp(2.0), abs=1e-6)


def test_the_best_of_the_evaluated_split_is_that_of_run_json(full_once):
    (run,) = rows(full_once)
    opened = seqlab.open_run(full_once)
    lowest = min(row["perplexity"] for row in opened.metrics if row["split"] == "valid")
    assert run.row["split"] == "valid"
    assert run.row["best"] == pytest.approx(lowest, abs=1e-5)


def test_only_what_differs_among_runs_of_a_name_is_told(make_run):
    found = rows(
        make_run("runs/x/a", {"optimizer.lr": 0.1}),
        make_run("runs/x/b", {"cell.name": "gru", "cell.fast": True}),
        make_run("runs/y/c"),
    )
    assert differences(found) == [
        {"cell.name": "rnn", "optimizer.lr": 0.1},
        {"cell.name": "gru", "optimizer.lr": 0.01},
        {},
    ]


def test_an_older_run_is_listed_by_its_resolved_experiment(make_run):
    folder = make_run("runs/x/a")
    known = json.loads((folder / "run.json").read_text())
    del known["settings"]
    (folder / "run.json").write_text(json.dumps(known))
    (run,) = rows(folder)
    assert run.settings["cell"]["name"] == "rnn"
