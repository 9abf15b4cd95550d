"""How long the verbs take that only describe and check, cold and warm, against importing torch.

python -m benchmarks.quick_verbs [ROUNDS]

Whole processes, in turns. Cold: the cache folder is empty. `validate` has its token store.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = str(ROOT / "experiments" / "jay_lstm.yaml")
SEQLAB = [sys.executable, "-m", "seqlab"]
VERBS = {
    "plugins": ["plugins"],
    "plugins show cell": ["plugins", "show", "cell"],
    "plugins show cell lstm": ["plugins", "show", "cell", "lstm"],
    "schema": ["schema"],
    "explain": ["explain", EXPERIMENT],
    "explain cell.hidden_size": ["explain", EXPERIMENT, "cell.hidden_size"],
    "validate --quick": ["validate", "--quick", EXPERIMENT],
    "validate": ["validate", EXPERIMENT],
}
TORCH = [sys.executable, "-c", "import torch"]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as cache:
        _seconds([*SEQLAB, "corpus", "build", EXPERIMENT], cache)
        cold = {name: _cold(arguments) for name, arguments in VERBS.items()}
        times = {name: list[float]() for name in ("import torch", *VERBS)}
        for _ in range(rounds + 1):
            times["import torch"].append(_seconds(TORCH, cache))
            for name, arguments in VERBS.items():
                times[name].append(_seconds([*SEQLAB, *arguments], cache))
    warm = {name: values[1:] for name, values in times.items()}  # the first fills caches
    torch = statistics.median(warm["import torch"])
    print(f"{describe()}\n")
    print(f"| {rounds} rounds in turns | cold, s | warm, s (least – most) | of torch's import |")
    print("|---|---|---|---|")
    for name, values in warm.items():
        first = f"{cold[name]:.2f}" if name in cold else ""
        print(
            f"| `{name}` | {first} | {_spread(values)} | {statistics.median(values) / torch:.2f} |"
        )


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} – {max(values):.2f})"


def _cold(arguments: Sequence[str]) -> float:
    with tempfile.TemporaryDirectory() as cache:
        return _seconds([*SEQLAB, *arguments], cache)


def _seconds(command: Sequence[str], cache: str) -> float:
    begun = time.perf_counter()
    environment = os.environ | {"SEQLAB_CACHE": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has bytecode
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=cache)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
