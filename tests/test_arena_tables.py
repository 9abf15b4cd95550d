"""The tables of docs/arena.md: each file is a sweep, and the page says what its rows say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.arena.__main__ import main
from benchmarks.arena.page import NOT_RUN, PAGE, in_markdown, with_tables
from benchmarks.arena.rows import identity, kept_rows
from benchmarks.arena.tables import TABLES, Column, Table
from seqlab.cli.main import call
from seqlab.sweeps.reading import read_sweep

ROOT = Path(__file__).resolve().parents[1]
ARENA = ROOT / "experiments" / "arena"
SWEEPS = [name for table in TABLES.values() for name in table.sweeps]
TABLE = Table(("some",), {"64": Column("test")}, {"corpus.group": "task"})
ROW = {
    "cell": "lstm",
    "told": {"task": "parity"},
    "seed": 0,
    "values": {"64": 1.0},
    "parameters": 1234,
    "state_bytes": 512,
    "machine": "a machine",
}


@pytest.mark.parametrize("name", SWEEPS)
def test_each_table_is_a_sweep_without_a_mistake(registry, name):
    sweep = read_sweep(ARENA / f"{name}.yaml", registry)
    assert sweep.settings.seeds == (1 if name.endswith("_once") else 3)


@pytest.mark.parametrize("name", TABLES)
def test_no_cell_is_in_both_sweeps_of_a_table(registry, name):
    cells = []
    for sweep in TABLES[name].sweeps:
        space = read_sweep(ARENA / f"{sweep}.yaml", registry).space
        cells += [str(cell) for cell in space[TABLES[name].cell]]
    assert len(cells) == len(set(cells)) >= 15


def test_the_page_says_what_the_rows_say():
    text = PAGE.read_text("utf-8")
    assert with_tables(text, TABLES, {name: kept_rows(name) for name in TABLES}) == text


def test_every_row_that_is_kept_is_another_one():
    for name in TABLES:
        rows = [identity(row) for row in kept_rows(name)]
        assert len(rows) == len(set(rows))


def test_several_seeds_are_a_median_and_its_spread():
    rows = [ROW | {"seed": seed, "values": {"64": 0.5 + seed / 10}} for seed in range(3)]
    said = "| parity | `lstm` | 3 | 0.600 (0.500 – 0.700) | 1,234 | 128 |"
    assert said in in_markdown(TABLE, rows)


def test_one_seed_is_shown_as_one():
    assert "| parity | `lstm` | 1 | 1.000 | 1,234 | 128 |" in in_markdown(TABLE, [ROW])


def test_of_a_setting_that_is_tuned_the_best_value_is_shown():
    table = replace(TABLE, tuned="optimizer.lr", less_is_better=True)
    tried = {0.001: 2.5, 0.01: 1.5, 0.1: 2.0}
    rows = [ROW | {"tuned": rate, "values": {"64": loss}} for rate, loss in tried.items()]
    shown = in_markdown(table, rows)
    assert "| task | cell | n | lr | 64 |" in shown
    assert "| parity | `lstm` | 1 | 0.01 | 1.500 |" in shown
    assert "2.000" not in shown


def test_a_table_without_rows_says_so():
    assert in_markdown(TABLE, []) == NOT_RUN


@pytest.mark.slow
def test_a_cell_that_was_dropped_in_joins_a_table_by_set(tmp_path, monkeypatch):
    sizes = {"symbols": 64, "train": 64, "valid": 4, "test": 4}
    changes = {
        "space": "{corpus.group: [parity], cell: [mgu]}",
        "corpus": json.dumps(sizes),
        "train.steps": "2",
        "evaluation": "{rows: 4, every: 2}",
        "schedule.warmup": "1",
    }
    options = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    monkeypatch.chdir(ROOT)  # whose plugins/ has the cell
    file = ARENA / "state_tracking_once.yaml"
    assert call(["sweep", "run", str(file), "--root", str(tmp_path), *options]) == 0
    page = tmp_path / "arena.md"
    page.write_text(PAGE.read_text("utf-8"), "utf-8")
    options = ["--root", str(tmp_path), "--rows", str(tmp_path), "--page", str(page)]
    main(["state_tracking", *options])
    (row,) = kept_rows("state_tracking", tmp_path)
    assert row["cell"] == "mgu"
    assert set(row["values"]) == {"64", "128", "256", "512", "1024"}
    assert "| parity | `mgu` | 1 |" in page.read_text("utf-8")
    main(["state_tracking", *options])
    assert kept_rows("state_tracking", tmp_path) == [row]
