"""`seqlab plot`: which runs, which numbers, and where the picture goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TIME = "20260101T00000{}Z-aaaaa{}"


@pytest.fixture
def several(make_run):
    """Two seeds of one experiment, and another one; each has three rows."""
    auto = [f"runs/jay/{TIME.format(i, i)}" for i in range(3)]
    make_run(auto[0])
    make_run(auto[1], {"train.seed": 1})
    make_run(auto[2], {"cell.name": "gru"})
    for number, path in enumerate(auto):
        row = json.loads(Path(path, "metrics.jsonl").read_text().splitlines()[0])
        rows = [row | {"step": i, "epoch": i, "loss": 3.0 / i + number} for i in (1, 2, 3)]
        Path(path, "metrics.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in rows))
    return auto


def points(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_seeds_are_one_line_and_what_differs_is_its_name(several, seqlab_command):
    (panel,) = points(seqlab_command("plot", "runs/jay", "--metric", "loss", "--json"))
    seeds, gru = panel["lines"]
    assert (seeds["name"], seeds["runs"], seeds["middle"]) == ("cell=rnn", 2, [3.5, 2.0, 1.5])
    assert (gru["name"], gru["runs"], gru["middle"]) == ("cell=gru", 1, [5.0, 3.5, 3.0])


def test_all_metrics_are_a_panel_each(several, seqlab_command):
    panels = points(seqlab_command("plot", "jay", "--metric", "all", "--json"))
    assert {"loss", "perplexity", "lr", "gradient_norm"} <= {panel["metric"] for panel in panels}


def test_a_pipe_gets_eighty_columns_and_no_colours(several, seqlab_command):
    result = seqlab_command("plot", "runs/jay", "--metric", "loss")
    assert result.code == 0
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in result.out
    assert "cell=rnn, train (median of 2)" in result.out


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_file_is_written_whole_and_nothing_else(ending, several, seqlab_command):
    result = seqlab_command("plot", "runs/jay", "--out", f"it.{ending}")
    assert (result.code, result.out) == (0, "")
    assert result.err.endswith(f"wrote it.{ending}\n")
    assert Path(f"it.{ending}").stat().st_size > 1000


def test_a_damaged_run_is_named_and_left_out(several, seqlab_command):
    Path(several[2], "metrics.jsonl").write_text("{\n")
    result = seqlab_command("plot", "runs/jay", "--json")
    assert len(points(result)[0]["lines"]) == 1
    assert f"{several[2]}/metrics.jsonl:1" in result.err
    assert "the run is left out" in result.err
    assert seqlab_command("plot", several[2]).code == 4


def test_a_run_without_rows_is_told(several, seqlab_command):
    Path(several[2], "metrics.jsonl").write_text("")
    result = seqlab_command("plot", several[2])
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "no run has a row of metrics yet" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "it.jpg"], "there are: .png, .svg, .pdf"),
        (["--out", "it.png", "--json"], "exclude each other"),
        (["--metric", "perplexty"], "did you mean 'perplexity'?"),
        (["--x", "steps"], "'steps' is not one of"),
        (["--smooth", "0"], "--smooth"),
        (["--metric", "unknown", "--log", "y"], "nowhere above 0"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(arguments, message, several, seqlab_command):
    result = seqlab_command("plot", "runs/jay", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert "Traceback" not in result.err


def test_a_folder_that_is_not_there_is_a_failure(several, seqlab_command):
    result = seqlab_command("plot", "jay", "--out", "nowhere/it.png")
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("seqlab: nowhere/it.png: cannot be written")
