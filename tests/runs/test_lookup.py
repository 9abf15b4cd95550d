"""What stands for which runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import seqlab
from seqlab.errors import UsageError
from seqlab.runs.folder import RunFolder
from seqlab.runs.lookup import all_runs, find_run, find_runs
from seqlab.runs.notes import add_tags
from seqlab.runs.settings import resolved_settings

OLD, NEW = "20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb"


@pytest.fixture
def some(make_run):
    """Runs of two names, one of them in a folder that a person named."""
    for path in (
        f"jay_rnn/{OLD}",
        f"jay_rnn/{NEW}",
        "jay_lstm/20260103T000000Z-cccccc",
        "other/mine",
    ):
        make_run(f"runs/{path}")
    add_tags(RunFolder(Path("runs/jay_rnn", OLD)), ["good"])
    add_tags(RunFolder(Path("runs/other/mine")), ["good"])


def found(*patterns):
    return [run.path.name.rpartition("-")[2] for run in find_runs(patterns)]


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("jay_rnn", ["bbbbbb"]),
        ("latest", ["mine"]),
        ("aaaa", ["aaaaaa"]),
        ("20260103", ["cccccc"]),
        ("mine", ["mine"]),
        ("good", ["aaaaaa", "mine"]),
        ("jay_*", ["aaaaaa", "bbbbbb", "cccccc"]),
        ("*lstm*", ["cccccc"]),
        ("g??d", ["aaaaaa", "mine"]),
        ("runs/jay_rnn", ["aaaaaa", "bbbbbb"]),
        ("runs/jay_*/*", ["aaaaaa", "bbbbbb", "cccccc"]),
        ("runs/jay_*", ["aaaaaa", "bbbbbb", "cccccc"]),
        ("runs", ["aaaaaa", "bbbbbb", "cccccc", "mine"]),
        (f"runs/jay_rnn/{OLD}", ["aaaaaa"]),
    ],
)
def test_a_pattern_stands_for_runs_the_oldest_first(some, pattern, ids):
    assert found(pattern) == ids


def test_absolute_paths_are_globbed_too(some):
    assert found(f"{Path.cwd()}/runs/other/*") == ["mine"]


def test_runs_come_in_the_order_of_the_patterns_and_each_once(some):
    assert found("jay_lstm", "jay_*", "cccccc") == ["cccccc", "aaaaaa", "bbbbbb"]


def test_one_pattern_may_be_given_alone(some):
    assert [run.path.name for run in find_runs("mine")] == ["mine"]


@pytest.mark.parametrize("pattern", ["jay_*", "good", "runs/jay_rnn"])
def test_where_one_run_is_needed_several_are_named(some, pattern):
    with pytest.raises(UsageError, match="runs, where one is needed: runs/jay_rnn/"):
        find_run(pattern)


@pytest.mark.parametrize("pattern", ["*lstm*", "runs/jay_lstm", "jay_lstm", "ccc"])
def test_what_stands_for_one_run_is_good_where_one_is_needed(some, pattern):
    assert find_run(pattern).name == "jay_lstm"


@pytest.mark.parametrize(
    ("word", "meant"), [("jay_rn", "jay_rnn"), ("JAY_LSTM", "jay_lstm"), ("goood", "good")]
)
def test_a_misspelt_name_is_told_what_is_near(some, word, meant):
    with pytest.raises(UsageError, match=re.escape(f"did you mean '{meant}'")):
        find_runs([word])


@pytest.mark.parametrize("pattern", ["nobody", "nobody*", "no/body", "no/*", "[", "**/nobody"])
def test_what_stands_for_nothing_is_one_line_even_without_runs(pattern):
    with pytest.raises(UsageError, match="there is no such folder, name, id or tag"):
        find_runs([pattern])


def test_a_folder_without_runs_is_told_apart(some):
    Path("runs/empty").mkdir()
    with pytest.raises(UsageError, match="is a folder, but not a run"):
        find_runs(["runs/empty"])


def test_a_name_with_the_signs_of_a_glob_is_a_name(make_run):
    make_run("runs/x/one", name="a[1]*")
    assert found("a[1]*") == ["one"]


def test_a_chinese_name_and_a_damaged_run_are_found(make_run):
    make_run(f"runs/周杰伦/{OLD}")
    (make_run(f"runs/broken/{NEW}") / "run.json").write_text("{")
    assert found("周*", "broken") == ["aaaaaa", "bbbbbb"]


def test_what_is_being_made_or_removed_is_no_run(make_run):
    folder = make_run(f"runs/x/{OLD}")
    shutil.copytree(folder, folder.with_name(f".{NEW}.{'0' * 16}.tmp"))
    assert [run.path.name for run in all_runs()] == [OLD]


def test_finding_by_name_opens_no_metrics(some):
    for file in Path("runs").glob("*/*/metrics.jsonl"):
        file.unlink()
    assert found("jay_*", "good", "aaa") == ["aaaaaa", "bbbbbb", "cccccc", "mine"]


def test_run_json_has_the_settings_that_the_run_was_made_with(tiny):
    run = seqlab.run(tiny, run_dir="here")
    known = json.loads(Path("here/run.json").read_text())
    assert known["settings"] == resolved_settings(run.folder)
    longer = seqlab.resume("here", overrides=["train.epochs=2"])
    assert longer.description["settings"] == resolved_settings(run.folder)
    assert longer.description["settings"]["train"]["epochs"] == 2
