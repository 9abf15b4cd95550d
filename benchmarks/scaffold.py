"""New packages, each in a fresh environment: tests, ruff and mypy, with no edit.

python -m benchmarks.scaffold [--kinds cell sampler …] [--name my_cell]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from seqlab.experiment.kinds import KINDS
from seqlab.scaffold import scaffold

ROOT = Path(__file__).resolve().parents[1]
RUFF = (("check",), ("format", "--check"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaffold", description=__doc__)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND")
    parser.add_argument("--name", help="what the component is called (default: my_KIND)")
    options = parser.parse_args()
    print("| kind | seconds | tests | ruff | mypy |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as work:
        wheel = _wheel(Path(work))
        passed = [_row(kind, options.name or f"my_{kind}", wheel) for kind in options.kinds]
    sys.exit(not all(passed))


def _wheel(work: Path) -> Path:
    _call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", work, ROOT)
    return next(work.glob("*.whl"))


def _row(kind: str, name: str, wheel: Path) -> bool:
    """Examine one package and print its row; True: everything passed."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        files = scaffold(kind, name, True, Path(work))
        package = next(file.parent for file in files if file.name == "pyproject.toml")
        python = _environment(Path(work, "venv"), wheel, package)
        answers = _examined(package, python)
    words = [output if ok else f"**{output}**" for ok, output in answers]
    seconds = time.perf_counter() - begun
    print(f"| {kind} | {seconds:.0f} | {' | '.join(words)} |", flush=True)
    return all(ok for ok, _ in answers)


def _environment(folder: Path, wheel: Path, package: Path) -> Path:
    """Make an environment that has seqlab, the package and its extras; return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    requirements = (wheel, f"{package}[test,lint]")
    _call(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *requirements)
    return python


def _examined(package: Path, python: Path) -> list[tuple[bool, str]]:
    """Of tests, ruff and mypy: whether all is well, and the words for it."""
    tests, output = _try(package, python, "pytest", "-q")
    ruff = all(_try(package, python, "ruff", *arguments)[0] for arguments in RUFF)
    mypy, _ = _try(package, python, "mypy")
    counts = re.findall(r"\d+ (?:passed|failed|skipped|error)", output.rpartition("\n")[2])
    return [(tests, ", ".join(counts) or "none"), (ruff, _word(ruff)), (mypy, _word(mypy))]


def _word(ok: bool) -> str:
    return "clean" if ok else "complains"


def _try(package: Path, python: Path, module: str, *arguments: str) -> tuple[bool, str]:
    """Run a module in the package's folder; show what it says only if it fails."""
    command: list[str | Path] = [python, "-m", module, *arguments]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
    output = (done.stdout + done.stderr).strip()
    if done.returncode:
        print(output, file=sys.stderr, flush=True)
    return done.returncode == 0, output


def _call(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True)


if __name__ == "__main__":
    main()
