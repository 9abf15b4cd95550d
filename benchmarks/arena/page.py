"""Rows in, tables of docs/arena.md out: medians and spreads over seeds."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.arena.tables import Table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "arena.md"
NOT_RUN = "This table has not been run yet."
Rows = Sequence[Mapping[str, Any]]


def with_tables(text: str, tables: Mapping[str, Table], rows: Mapping[str, Rows]) -> str:
    """Put each table between its two markers."""
    for name, table in tables.items():
        begin, end = f"<!-- table: {name} -->\n", f"<!-- end: {name} -->"
        found = re.search(re.escape(begin) + ".*?" + re.escape(end), text, re.DOTALL)
        if found is None:
            raise ValueError(f"{PAGE.name} has no `{begin.strip()}` with its end")
        whole = f"{begin}\n{in_markdown(table, rows[name])}\n\n{end}"
        text = text[: found.start()] + whole + text[found.end() :]
    return text


def in_markdown(table: Table, rows: Rows) -> str:
    """A line for each cell: the median of its seeds (least – most)."""
    if not rows:
        return NOT_RUN
    tuned = [table.tuned.rpartition(".")[2]] if table.tuned else []
    titles = [*table.told.values(), "cell", "n", *tuned, *table.columns, "parameters", "state"]
    titles += ["tokens/s"] * table.speed
    lines = [_line(titles), _line(["---"] * len(titles))]
    lines += [_line(_cells(table, group)) for group in _groups(table, rows)]
    machines = dict.fromkeys(row["machine"] for row in rows)
    return "\n".join([*lines, "", *(f"Measured on: {machine}." for machine in machines)])


def _groups(table: Table, rows: Rows) -> list[Rows]:
    """Rows that differ in the seed alone, tuned; of each task the best cell first."""
    sign = 1 if table.less_is_better else -1
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for row in rows:
        tried = found.setdefault(f"{row['told']} {row['cell']}", {})
        tried.setdefault(str(row.get("tuned")), []).append(row)
    best = [min(tried.values(), key=lambda group: sign * _first(group)) for tried in found.values()]
    return sorted(best, key=lambda group: (str(group[0]["told"]), sign * _mean(group)))


def _first(group: Rows) -> float:
    """The median of the first column."""
    return float(statistics.median(next(iter(row["values"].values())) for row in group))


def _mean(group: Rows) -> float:
    return statistics.fmean(value for row in group for value in row["values"].values())


def _cells(table: Table, group: Rows) -> list[str]:
    first = group[0]
    values = [_spread([row["values"][title] for row in group]) for title in first["values"]]
    told = [str(value) for value in first["told"].values()]
    tuned = [f"{first['tuned']}"] if "tuned" in first else []
    sizes = [f"{first['parameters']:,}", f"{first['state_bytes'] // 4:,}"]
    if table.speed:
        sizes += [f"{statistics.median(row['tokens_per_second'] for row in group):,.0f}"]
    return [*told, f"`{first['cell']}`", str(len(group)), *tuned, *values, *sizes]


def _spread(values: Sequence[float]) -> str:
    median = f"{statistics.median(values):.3f}"
    return median if len(values) == 1 else f"{median} ({min(values):.3f} – {max(values):.3f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
