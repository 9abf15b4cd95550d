"""Walk as a newcomer does and show what is seen; with --update keep it.

python -m tests.newcomer [--update] [--width 80]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from newcomer.walk import SCREENS, WIDTHS, masked, walk


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.newcomer", description=__doc__)
    parser.add_argument("--update", action="store_true", help="keep the screens")
    parser.add_argument("--width", type=int, choices=WIDTHS, action="append")
    options = parser.parse_args()
    for width in options.width or WIDTHS:
        if options.update:
            for old in (SCREENS / str(width)).glob("*.txt"):
                old.unlink()
        with tempfile.TemporaryDirectory() as folder:
            for name, seen in walk(Path(folder) / "home", width):
                sys.stdout.write(f"== {width} columns: {name}\n{seen}\n\n")
                if options.update:
                    file = SCREENS / str(width) / f"{name}.txt"
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(f"{masked(seen)}\n", "utf-8")


main()
