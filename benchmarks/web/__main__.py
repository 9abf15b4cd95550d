"""The page of `seqlab serve`: a thousand runs, a hundred browsers, hostile input.

python -m benchmarks.web [runs | streams | hostile] … [--runs N] [--rows N] [--minutes M]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.web import hostile, many_runs, many_streams
from benchmarks.web.made_runs import first_run, make_runs

WHAT = ("runs", "streams", "hostile")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=", ".join(WHAT))
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=2000, help="of each run")
    parser.add_argument("--minutes", type=float, default=10, help="to look at the runs")
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=30, help="to listen to the streams")
    parser.add_argument("--inputs", type=int, default=200, help="hostile ones")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    asked = options.what or WHAT
    results = {}
    with TemporaryDirectory() as folder:
        into = Path(folder)
        first = first_run(into)
        if {"runs", "streams"} & {*asked}:
            make_runs(into / "runs", first, options.runs, options.rows)
        if "streams" in asked:
            seconds = options.seconds
            results["streams"] = many_streams.measure(into / "runs", options.streams, seconds)
            print(json.dumps(results["streams"]))
        if "runs" in asked:
            results["runs"] = many_runs.measure(into / "runs", options.minutes)
            print(json.dumps(results["runs"]))
        if "hostile" in asked:
            results["hostile"] = hostile.measure(first, into, options.inputs)
            print(json.dumps(results["hostile"]))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
