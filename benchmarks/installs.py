"""Install seqlab by pip and by uv on every interpreter at hand, and run an experiment there.

python -m benchmarks.installs [--pythons 3.11 3.12 3.13 3.14] [--resolve-only]

For an interpreter that is not at hand, uv finds versions of all dependencies, from wheels alone,
and installs nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PATCH = 5  # the first release of 3.11 that the documentation's libraries take
RUN = ("run", "jay_rnn.yaml", "--set", "train.epochs=2", "--set", "corpus=original_lyrics")


@dataclass(frozen=True)
class Installer:
    """Commands that make an environment, {folder}, of a {python}, and install into it."""

    name: str
    create: tuple[str, ...]
    install: tuple[str, ...]


PIP = Installer(
    "pip",
    ("{python}", "-m", "venv", "{folder}"),
    ("{folder}/bin/python", "-m", "pip", "install", "-q"),
)
UV = Installer(
    "uv",
    ("uv", "venv", "-q", "--python", "{python}", "{folder}"),
    ("uv", "pip", "install", "-q", "--python", "{folder}/bin/python"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.installs", description=__doc__)
    parser.add_argument("--pythons", nargs="+", choices=PYTHONS, default=PYTHONS)
    parser.add_argument("--resolve-only", action="store_true", help="Install nothing.")
    options = parser.parse_args()
    print("| Python | by | what | seconds | MB | answer |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as work:
        passed = [
            ok
            for version in options.pythons
            for ok in _rows(version, Path(work), options.resolve_only)
        ]
    sys.exit(not all(passed))


def _rows(version: str, work: Path, resolve_only: bool) -> Iterator[bool]:
    python = None if resolve_only else at_hand(version)
    if python is None:
        yield _resolved(version)
        return
    for installer in (PIP, UV):
        if shutil.which(installer.create[0].format(python=python, folder="")) is None:
            print(f"| {version} | {installer.name} | | | | is not installed |", flush=True)
            continue
        yield _installed(version, python, installer, work)


def at_hand(version: str) -> Path | None:
    """Return an interpreter of this version: on PATH, or among those of pyenv."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    folders += [folder / "bin" for folder in sorted(kept.glob(f"{version}.*"))]
    candidates = [folder / f"python{version}" for folder in folders]
    return next((path for path in candidates if path.is_file() and _starts(path)), None)


def _starts(python: Path) -> bool:
    """A shim of pyenv is a file, but may have nothing behind it."""
    done = subprocess.run([python, "-c", ""], capture_output=True, check=False)
    return done.returncode == 0


def _resolved(version: str) -> bool:
    """Find versions of what seqlab and its extras need on another Python; install nothing."""
    begun = time.perf_counter()
    command = ["uv", "pip", "compile", "-q", "--all-extras", "--only-binary", ":all:"]
    target = ["--python-version", f"{version}.{PATCH}", "-c", str(CONSTRAINTS)]
    ok, words = _try([*command, *target, "pyproject.toml"], ROOT)
    answer = "resolves" if ok else f"**{words}**"
    seconds = time.perf_counter() - begun
    print(f"| {version} | uv | resolved alone | {seconds:.0f} | | {answer} |", flush=True)
    return ok


def _installed(version: str, python: Path, installer: Installer, work: Path) -> bool:
    """Install the wheel, away from the repository, and train two epochs with it."""
    folder = work / f"{installer.name}-{version}"
    begun = time.perf_counter()
    names = {"python": str(python), "folder": str(folder)}
    create = [word.format(**names) for word in installer.create]
    install = [word.format(**names) for word in installer.install]
    steps = [create, [*install, "-c", str(CONSTRAINTS), str(_wheel(work))]]
    seqlab, home = str(folder / "bin" / "seqlab"), work / f"home-{installer.name}-{version}"
    steps += [[seqlab, "init", str(home)]]
    ok, words = _all(steps, work)
    seconds = time.perf_counter() - begun
    if ok:
        ok, words = _all([[seqlab, *RUN], [seqlab, "generate", "latest", "-p", "我"]], _in(home))
    answer = "trains and generates" if ok else f"**{words}**"
    row = (version, installer.name, "the wheel", f"{seconds:.0f}", f"{_megabytes(folder):,.0f}")
    print(f"| {' | '.join(row)} | {answer} |", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    return ok


def _in(home: Path) -> Path:
    """The folder with the experiments of a fresh working folder."""
    return home / "experiments"


def _wheel(work: Path) -> Path:
    """Build the wheel once."""
    built = list((work / "dist").glob("*.whl"))
    if not built:
        pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
        subprocess.run([*pip, "-w", str(work / "dist"), str(ROOT)], check=True)
        built = list((work / "dist").glob("*.whl"))
    return built[0]


def _all(commands: list[list[str]], folder: Path) -> tuple[bool, str]:
    for command in commands:
        ok, words = _try(command, folder)
        if not ok:
            return ok, words
    return True, ""


def _try(command: list[str], folder: Path) -> tuple[bool, str]:
    """Run a command; of one that fails, return the last line that it printed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return done.returncode == 0, f"{command[0]}: {lines[-1] if lines else 'no word'}"


def _megabytes(folder: Path) -> float:
    files = (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return sum(file.stat().st_size for file in files) / 1e6


if __name__ == "__main__":
    main()
