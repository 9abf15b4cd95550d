"""Checks and times of runs on several processes.

python -m benchmarks.distributed [NAME …] [--quick]

`--quick` is for trying: a few seconds each, too few for a figure. Hosts are network namespaces,
which need Linux, root and `ip`; times need a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

from benchmarks.distributed import before, equal_bits, failures, hosts, overlap, speed, ways_to_add
from benchmarks.machine import describe
from benchmarks.reliability.outcome import Outcome

CHECKS: dict[str, Callable[[bool], Outcome]] = {
    "worlds": equal_bits.worlds,
    "resumed": equal_bits.resumed,
    "before": before.same_bits,
    "kills": failures.kills,
    "stopped": failures.stopped,
    "launcher": failures.launcher_killed,
    "hosts": hosts.same_bits,
    "cut_off": hosts.cut_off,
    "begun_again": hosts.begun_again,
}
TABLES: dict[str, Callable[[bool], Iterator[str]]] = {
    "threads": speed.against_threads,
    "ranks": speed.of_ranks,
    "cost": before.cost,
    "ways": ways_to_add.table,
    "overlap": overlap.table,
}


def main() -> None:
    names = [*CHECKS, *TABLES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distributed", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="a few seconds each, for trying")
    options = parser.parse_args()
    unknown = set(options.names) - set(names)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = options.names or names
    print(f"{describe()}{'; --quick' * options.quick}", flush=True)
    missed = _print_checks([name for name in chosen if name in CHECKS], options.quick)
    for name in chosen:
        if name in TABLES:
            print(flush=True)
            for line in TABLES[name](options.quick):
                print(line, flush=True)
    sys.exit(missed)


def _print_checks(names: list[str], quick: bool) -> bool:
    """Print a row for each check; return whether one missed its bar."""
    if names:
        print("\n| what | result |\n|---|---|", flush=True)
    missed = False
    for name in names:
        outcome = CHECKS[name](quick)
        print(outcome, flush=True)
        if outcome.missed:
            missed = True
            print(f"{name}:\n{outcome.report()}", file=sys.stderr, flush=True)
    return missed


if __name__ == "__main__":
    main()
