"""How long a command takes to start, against another checkout of seqlab: pairs in turns.

python -m benchmarks.start OTHER_PYTHON [PAIRS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ("--set", "train.epochs=0", "--set", "samples=null")


def main() -> None:
    other, pairs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 40
    with tempfile.TemporaryDirectory() as folder:
        times = [
            (_seconds(sys.executable, folder), _seconds(other, folder)) for _ in range(pairs + 1)
        ]
    differences = [1e3 * (here - there) for here, there in times[1:]]  # the first fills caches
    print(f"{describe()}\n")
    print(f"| start of `jay_rnn`, {pairs} pairs | ms later than the other |\n|---|---|")
    low, middle, high = min(differences), statistics.median(differences), max(differences)
    print(f"| median (least, most) | {middle:.0f} ({low:.0f}, {high:.0f}) |")


def _seconds(python: str, folder: str) -> float:
    """Start `jay_rnn`, train nothing, and end."""
    experiment = ROOT / "experiments" / "jay_rnn.yaml"
    with tempfile.TemporaryDirectory(dir=folder) as root:
        command = [python, "-m", "seqlab", "run", str(experiment), *SETTINGS]
        begun = time.perf_counter()
        subprocess.run(
            [*command, "--run-dir", f"{root}/r"], check=True, capture_output=True, cwd=folder
        )
        return time.perf_counter() - begun


if __name__ == "__main__":
    main()
