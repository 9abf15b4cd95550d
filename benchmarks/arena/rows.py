"""Rows of a table: read from the runs of its sweeps, once each, and kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import seqlab
from benchmarks.arena.tables import Column, Table
from benchmarks.machine import describe
from seqlab.runs.costs import state_bytes
from seqlab.runs.settings import ABSENT, resolved_settings, value_at

HERE = Path(__file__).resolve().parent
Row = dict[str, Any]


def file_of(table: str, folder: Path = HERE) -> Path:
    """Where the rows of a table are kept."""
    return folder / f"{table}.json"


def kept_rows(table: str, folder: Path = HERE) -> list[Row]:
    """The rows of a table that are there."""
    file = file_of(table, folder)
    return json.loads(file.read_text("utf-8")) if file.is_file() else []


def keep(table: str, rows: list[Row], folder: Path = HERE) -> None:
    """Write all rows of a table, in an order of their own."""
    ordered = sorted(rows, key=lambda row: (str(row["told"]), row["cell"], row["seed"]))
    text = json.dumps(ordered, ensure_ascii=False, indent=1)
    file_of(table, folder).write_text(f"{text}\n", "utf-8")


def new_rows(table: Table, kept: list[Row], root: Path) -> Iterator[Row]:
    """Score the finished runs of the table's sweeps that are no row yet."""
    known = {identity(row) for row in kept}
    for sweep in table.sweeps:
        if not (root / sweep).is_dir():
            continue
        for run in seqlab.runs(root / sweep, root):
            row = _begun(table, run)
            if run.description["status"] == "finished" and identity(row) not in known:
                known.add(identity(row))
                yield row | _measured(table.columns, run)


def identity(row: Mapping[str, Any]) -> str:
    """What makes a row another one: the cell, what is told besides, what is tuned, the seed."""
    return json.dumps([row["cell"], row["told"], row.get("tuned"), row["seed"]])


def _begun(table: Table, run: seqlab.Run) -> Row:
    return {
        "cell": _setting(run, table.cell),
        "told": {title: _setting(run, key) for key, title in table.told.items()},
        **({"tuned": _setting(run, table.tuned)} if table.tuned else {}),
        "seed": _setting(run, "train.seed"),
    }


def _setting(run: seqlab.Run, key: str) -> Any:
    value = value_at(resolved_settings(run.folder), key)
    if value is ABSENT:
        raise ValueError(f"{run.path}: has no setting {key}, so it is no run of this table")
    return value


def _measured(columns: Mapping[str, Column], run: seqlab.Run) -> Row:
    trained = [row for row in run.metrics if row["split"] == "train"]
    return {
        "values": {title: _value(column, run) for title, column in columns.items()},
        "parameters": sum(weight.numel() for weight in run.model.parameters()),
        "state_bytes": state_bytes(run.model),
        "steps": run.metrics[-1]["step"],
        "tokens_per_second": round(trained[-1]["tokens_per_second"]),
        "machine": describe(),
    }


def _value(column: Column, run: seqlab.Run) -> float:
    if column.rows is None:
        scored = [row for row in run.metrics if row["split"] == column.split][-1]
    else:
        scored = run.evaluate(column.split, rows=column.rows, window=column.window)
    return round(float(scored[column.metric]), 4)
