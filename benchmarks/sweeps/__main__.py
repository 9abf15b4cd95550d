"""What sweeps must hold, with a row of a table for each.

python -m benchmarks.sweeps [NAME …] [--share 0.1]
"""

from __future__ import annotations

import argparse
import logging
import sys
from importlib import import_module

from benchmarks.machine import describe

MODULES = ("kills", "journal", "database", "overhead")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODULES))
    parser.add_argument("--share", type=float, default=1.0, help="how much of each is done")
    options = parser.parse_args()
    if unknown := set(options.names) - {*MODULES}:
        parser.error(
            f"no such check: {', '.join(sorted(unknown))} (there are {', '.join(MODULES)})"
        )
    logging.getLogger("seqlab").addHandler(logging.NullHandler())
    print(f"{describe()}\n\n| claim | result | |\n|---|---|---|", flush=True)
    held = True
    for name in options.names or MODULES:
        for claim, result, holds in import_module(f"benchmarks.sweeps.{name}").check(options.share):
            print(f"| {claim} | {result} | {'holds' if holds else 'MISSED'} |", flush=True)
            held &= holds
    sys.exit(not held)


if __name__ == "__main__":
    main()
