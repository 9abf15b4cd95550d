"""The plugin author's day in figures: lines of components, seconds of the kit, defects it catches.

python -m benchmarks.authoring
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import seqlab
from benchmarks.machine import describe
from seqlab.experiment.kinds import KINDS
from seqlab.testing import checks_of, registration
from seqlab.testing.collection import checks_in

ROOT = Path(__file__).resolve().parents[1]
CELL = ROOT / "plugins" / "minimal_gated_unit.py"
SHOWN = {
    "objective `focal`": ("write-an-objective.md", "plugins/focal.py"),
    "wrapper `gated`, a cell around any other": ("compose-components.md", "plugins/gated.py"),
}
"""Components of the documentation: a page in docs/how-to, and the file that it writes."""
TESTS = ROOT / "tests" / "testing"


def main() -> None:
    print(f"{describe()}\n\n| what | figure |\n|---|---|")
    cell = lines_of(CELL.read_text("utf-8"))
    print(f"| lines of the cell `mgu`, below its imports, the hook aside | {cell} |")
    for what, (page, file) in SHOWN.items():
        print(f"| lines of the {what}, in the same way | {lines_of(shown(page, file))} |")
    caught, planted = planted_defects()
    print(f"| planted defects that the kit catches | {caught} of {planted} |", flush=True)
    print(f"| promises that are checked | {promises()} |", flush=True)
    cells = [c.name for c in seqlab.load_plugins(local=False).components("cell")]
    seconds = {name: kit_seconds(name) for name in cells}
    slowest = max(seconds, key=lambda name: seconds[name])
    listed = ", ".join(f"`{name}` {value:.1f}" for name, value in seconds.items())
    print(f"| `seqlab plugins check` on one cell, the whole process, on one core | {listed} s |")
    sys.exit(caught != planted or seconds[slowest] > 20)


def shown(page: str, file: str) -> str:
    """The source of a file that a page writes."""
    text = (ROOT / "docs" / "how-to" / page).read_text("utf-8")
    return text.partition(f'```python\n"""{file}"""\n')[2].partition("\n```")[0]


def lines_of(source: str) -> int:
    """Lines from the class to its end, as ruff formats them."""
    formatted = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", "plugin.py", "-"],
        input=source, capture_output=True, text=True, check=True, cwd=ROOT,
    ).stdout  # fmt: skip
    _, _, below = formatted.partition("\nclass ")
    return len(below.partition("@seqlab.hookimpl")[0].strip().splitlines())


def planted_defects() -> tuple[int, int]:
    """How many planted components are caught by their check, and how many there are."""
    command = [sys.executable, "-m", "pytest", "-q", "-k", "planted_mistake", str(TESTS)]
    output = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error)", output)}
    return counts.get("passed", 0), sum(counts.values())


def promises() -> str:
    own = len(checks_in(registration))
    counts = {name: len(checks_of(name)) - own for name in KINDS}
    return f"{own} of every component; " + ", ".join(f"{n} {kind}" for kind, n in counts.items())


def kit_seconds(name: str) -> float:
    """Seconds of one core, which other work on the machine does not change."""
    begun = processor_seconds()
    command = [sys.executable, "-m", "seqlab", "plugins", "check", name, "--kind", "cell"]
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return processor_seconds() - begun


def processor_seconds() -> float:
    """Of all processes that were started and have ended."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
