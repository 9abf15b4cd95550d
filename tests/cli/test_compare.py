"""`seqlab compare`: headings, marks, and tables that fit."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from seqlab.cli.grids import Cell, Grid, fitting, folded, rendered

TIME = "20260101T00000{}Z-aaaaa{}"


@pytest.fixture
def several(make_run):
    """A single run, two seeds of another cell, and a run in a folder with a Chinese name."""
    auto = [f"runs/jay/{TIME.format(i, i)}" for i in range(3)]
    make_run(auto[0], {"optimizer.lr": 0.1}, losses=[3.0, 2.0])
    make_run(auto[1], {"cell.name": "gru"}, losses=[1.0, 1.5])
    make_run(auto[2], {"cell.name": "gru", "train.seed": 1}, losses=[1.2, 1.8], doubt="It is odd.")
    make_run("runs/other/我的实验", {"cell.hidden_size": 99}, losses=[2.5])


def rows(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_headings_are_names_that_people_gave_or_what_differs(several, seqlab_command):
    found = rows(seqlab_command("compare", "*", "--json"))
    assert [row["name"] for row in found] == [
        *("jay: cell=rnn, lr=0.1", "jay: cell=gru, lr=0.01", "我的实验"),
    ]
    found = rows(seqlab_command("compare", "runs/jay", "--json"))
    assert [row["name"] for row in found] == ["cell=rnn, lr=0.1", "cell=gru, lr=0.01"]


def test_the_name_of_an_experiment_is_enough_where_it_is_alone(make_run, seqlab_command):
    for i, name in enumerate(("a", "b")):
        make_run(f"runs/{name}/{TIME.format(i, i)}", {"cell.hidden_size": i})
    assert [row["name"] for row in rows(seqlab_command("compare", "?", "--json"))] == ["a", "b"]


def test_folders_of_one_name_are_told_apart(make_run, seqlab_command):
    make_run("one/here", {"cell.hidden_size": 1})
    make_run("two/here", {"cell.hidden_size": 2})
    found = rows(seqlab_command("compare", "one/here", "two/here", "--json"))
    assert [row["name"] for row in found] == ["one/here", "two/here"]


def test_seeds_and_single_runs_share_rows(several, seqlab_command):
    single, seeds, _ = rows(seqlab_command("compare", "*", "--json"))
    name = "train perplexity, best"
    assert (single["n"], seeds["n"]) == (1, 2)
    assert single[name] == pytest.approx(7.389056)
    assert seeds[f"{name}: min"] < seeds[name] < seeds[f"{name}: max"]
    assert f"{name}: sd" not in single


def test_the_best_are_those_that_are_lower_or_faster(several, seqlab_command):
    single, seeds, other = rows(seqlab_command("compare", "*", "--json"))
    assert "train perplexity, best" in seeds["best"]
    assert "train perplexity, last" in seeds["best"]
    assert "train perplexity, best" not in single["best"] + other["best"]
    assert not any(
        name.startswith("cell") for row in (single, seeds, other) for name in row["best"]
    )


def test_nothing_of_another_corpus_is_better(make_run, seqlab_command):
    corpus = {"name": "text", "asked_for": "text", "tokens": 9}
    make_run("a", losses=[1.0], corpus=corpus | {"fingerprint": "x"}, settings={"cell.x": 1})
    make_run("b", losses=[2.0], corpus=corpus | {"fingerprint": "y"})
    found = rows(seqlab_command("compare", "a", "b", "--json"))
    assert {name for row in found for name in row["best"]} <= {"seconds", "tokens/s"}


def test_accuracy_is_better_when_it_is_higher_and_a_strangers_number_never(make_run):
    from seqlab.runs.results import best_of

    found = [{"valid accuracy, best": 0.5, "valid f1, last": 1}, {"valid accuracy, best": 0.7}]
    found[1]["valid f1, last"] = 2
    assert best_of(found, "valid accuracy, best", ["accuracy"]) == [1]
    assert best_of(found, "valid f1, last", ["accuracy"]) == []


def test_a_doubt_is_told_everywhere(several, seqlab_command, monkeypatch):
    assert rows(seqlab_command("compare", "*", "--json"))[1]["doubt"] == "It is odd."
    assert "doubt\t\tIt is odd.\t" in seqlab_command("compare", "*").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = seqlab_command("compare", "*")
    assert "?" in result.out
    assert "jay: cell=gru, lr=0.01: doubt: It is odd." in result.err


def test_markdown_and_csv_agree_with_json(several, seqlab_command):
    found = rows(seqlab_command("compare", "*", "--json"))
    head, *lines = csv.reader(seqlab_command("compare", "*", "--csv").out.splitlines())
    assert head == ["name", *(row["name"] for row in found), "best"]
    for name, *values, _ in lines:
        if name not in ("tags", "note", "doubt"):
            assert values == ["" if row.get(name) is None else str(row[name]) for row in found]
    marked = [
        line.split(" | ")[0].removeprefix("| ")
        for line in seqlab_command("compare", "*", "--markdown").out.splitlines()
        if "**" in line
    ]
    assert marked == [name for name, *_, best in lines if best]


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_terminal_shows_whole_numbers_in_its_width(several, seqlab_command, monkeypatch, width):
    for name, value in {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", str(width))
    out = re.sub(r"\x1b\[\d*m", "", seqlab_command("compare", "*").out)
    assert max(map(cell_len, out.splitlines())) <= width
    for number in ("7.38906", "12.1825", "3.0192 ± 0.43*", "我的实验"):
        assert number in out
    assert "Z-aaaaa" not in out
    assert "…" not in out


# -- grids


def grid_of(headings, labels, cells):
    solid = tuple(tuple(Cell(text, solid=True, right=True) for text in row) for row in cells)
    return Grid(Cell(""), tuple(map(Cell, headings)), tuple(map(Cell, labels)), solid)


def lines_of(grid, width):
    return [str(line) for part in fitting(grid, width) for line in rendered(part, width)]


def test_a_grid_that_is_too_wide_is_turned_round_before_it_is_split():
    grid = grid_of([f"run{i}" for i in range(20)], ["loss"], [["1.234"] * 20])
    assert [len(part.headings) for part in fitting(grid, 200)] == [20]
    (turned,) = fitting(grid, 40)
    assert len(turned.labels) == 20
    assert max(map(len, lines_of(grid, 40))) <= 40


def test_a_grid_that_fits_neither_way_is_split_and_nothing_is_lost():
    names = [f"n{i}" for i in range(20)]
    grid = grid_of(names, names, [[f"{i}.{j}" for j in range(20)] for i in range(20)])
    text = lines_of(grid, 40)
    assert max(map(len, text)) <= 40
    words = {word for line in text for word in line.split()}
    assert {f"{i}.{j}" for i in range(20) for j in range(20)} <= words


@given(
    st.lists(st.text("ab ,周", min_size=1, max_size=40), min_size=1, max_size=5),
    st.lists(st.text("cd ,杰", min_size=1, max_size=40), min_size=1, max_size=4),
    st.integers(40, 160),
)
def test_any_grid_fits_and_keeps_its_numbers(headings, labels, width):
    cells = [[f"{i}{j}.12345" for j in range(len(headings))] for i in range(len(labels))]
    text = lines_of(grid_of(headings, labels, cells), width)
    assert max(map(cell_len, text)) <= width
    assert all(any(number in line for line in text) for row in cells for number in row)


@given(st.text("ab 周", max_size=60), st.integers(2, 30))
def test_folding_loses_no_letter(text, width):
    lines = folded(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_damaged_run_is_left_out_and_named(several, seqlab_command):
    Path("runs/other/我的实验/metrics.jsonl").write_text("{\n")
    compared = seqlab_command("compare", "*", "--json")
    assert [row["n"] for row in rows(compared)] == [1, 2]
    assert "我的实验/metrics.jsonl:1" in compared.err
    assert compared.err.endswith("; the run is left out\n")
    alone = seqlab_command("compare", "我的实验")
    assert (alone.code, alone.out) == (4, "")
