"""Runs the tests of reliability, all or some, and prints one row of a table for each.

python -m benchmarks.reliability [NAME …] [--share 0.01]
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

import torch

from benchmarks.machine import describe
from benchmarks.reliability.outcome import Outcome

MODULES = {
    "resume": "resume",
    "kills": "kills",
    "faults": "faults",
    "bitflips": "bitflips",
    "yaml": "yaml_files",
    "corpora": "corpora",
    "hostile": "hostile",
    "folders": "strange_folders",
    "saving": "saving",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODULES))
    parser.add_argument("--share", type=float, default=1.0, help="how much of each test is done")
    options = parser.parse_args()
    unknown = set(options.names) - MODULES.keys()
    if unknown:
        parser.error(f"no such test: {', '.join(sorted(unknown))} (there are {', '.join(MODULES)})")
    print(f"{describe()}\n\n| test | result |\n|---|---|", flush=True)
    outcomes = [_run(name, options.share) for name in options.names or MODULES]
    sys.exit(any(outcome.missed for outcome in outcomes))


def _run(name: str, share: float) -> Outcome:
    threads = torch.get_num_threads()
    module = import_module(f"benchmarks.reliability.{MODULES[name]}")
    outcome: Outcome = module.check(share)
    torch.set_num_threads(threads)
    print(outcome, flush=True)
    if outcome.missed:
        print(f"{name}:\n{outcome.report()}", file=sys.stderr, flush=True)
    return outcome


if __name__ == "__main__":
    main()
