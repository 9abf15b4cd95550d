"""Rows in, tables of docs/arena.md out: medians and spreads over seeds."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "arena.md"
NOT_RUN = "This table has not been run yet."
Rows = Sequence[Mapping[str, Any]]


def with_tables(text: str, rows: Mapping[str, Rows]) -> str:
    """Put each table between its two markers."""
    for name, some in rows.items():
        begin, end = f"<!-- table: {name} -->\n", f"<!-- end: {name} -->"
        found = re.search(re.escape(begin) + ".*?" + re.escape(end), text, re.DOTALL)
        if found is None:
            raise ValueError(f"{PAGE.name} has no `{begin.strip()}` with its end")
        whole = f"{begin}\n{in_markdown(some)}\n\n{end}"
        text = text[: found.start()] + whole + text[found.end() :]
    return text


def in_markdown(rows: Rows) -> str:
    """A line for each cell: the median of its seeds (least – most)."""
    if not rows:
        return NOT_RUN
    titles = [*rows[0]["told"], "cell", "n", *rows[0]["values"], "parameters", "state"]
    lines = [_line(titles), _line(["---"] * len(titles))]
    lines += [_line(_cells(group)) for group in _groups(rows)]
    machines = dict.fromkeys(row["machine"] for row in rows)
    return "\n".join([*lines, "", *(f"Measured on: {machine}." for machine in machines)])


def _groups(rows: Rows) -> list[Rows]:
    """Rows that differ in the seed alone; of each task the best first."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(f"{row['told']} {row['cell']}", []).append(row)
    return sorted(groups.values(), key=lambda group: (str(group[0]["told"]), -_mean(group)))


def _mean(group: Rows) -> float:
    return statistics.fmean(value for row in group for value in row["values"].values())


def _cells(group: Rows) -> list[str]:
    first = group[0]
    values = [_spread([row["values"][title] for row in group]) for title in first["values"]]
    told = [str(value) for value in first["told"].values()]
    sizes = [f"{first['parameters']:,}", f"{first['state_bytes'] // 4:,}"]
    return [*told, f"`{first['cell']}`", str(len(group)), *values, *sizes]


def _spread(values: Sequence[float]) -> str:
    median = f"{statistics.median(values):.3f}"
    return median if len(values) == 1 else f"{median} ({min(values):.3f} – {max(values):.3f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
