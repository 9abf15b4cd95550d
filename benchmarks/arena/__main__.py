"""The tables of docs/arena.md, from the runs of their sweeps.

python -m benchmarks.arena [TABLE …] [--root runs]

Run the sweeps first, such as `seqlab sweep experiments/arena/state_tracking.yaml`. Each finished
run that is no row yet is scored, and kept in benchmarks/arena/TABLE.json; then the page is written.
Rows that are there are not made again, and need no runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.arena.page import PAGE, with_tables
from benchmarks.arena.rows import HERE, identity, keep, kept_rows, new_rows
from benchmarks.arena.tables import TABLES


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arena", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--root", type=Path, default=Path("runs"), help="the folder of all runs")
    parser.add_argument("--rows", type=Path, default=HERE, help="the folder of the JSON files")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page that is written")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.tables if name not in TABLES]
    if unknown:
        parser.error(f"no table {unknown[0]!r}; there are {', '.join(TABLES)}")
    for name in options.tables or TABLES:
        rows = kept_rows(name, options.rows)
        for row in new_rows(TABLES[name], rows, options.root):
            rows.append(row)
            keep(name, rows, options.rows)
            print(f"{name}: {identity(row)} {row['values']}", file=sys.stderr, flush=True)
    rows_of = {name: kept_rows(name, options.rows) for name in TABLES}
    text = options.page.read_text("utf-8")
    options.page.write_text(with_tables(text, TABLES, rows_of), "utf-8")


if __name__ == "__main__":
    main()
