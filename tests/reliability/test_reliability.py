"""The scripts behind docs/reliability.md, each at a small share, and that they can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORKING = (
    "kills",
    "hostile",
    "folders",
)  # a process with other threads, as a test's is, should not fork
SHARES = {
    "resume": 0.03,
    "kills": 0.005,
    "faults": 0.01,
    "bitflips": 0.01,
    "yaml_files": 0.02,
    "corpora": 0.1,
    "hostile": 0.05,
    "folders": 0.01,
    "saving": 0.01,
}


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    """The scripts are in the checkout and not in the wheel; seqlab is whichever is installed."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])


def outcome(name, share):
    return import_module(f"benchmarks.reliability.{name}").check(share)


@pytest.mark.parametrize("name", [name for name in SHARES if name not in FORKING])
def test_the_bar_is_met_at_a_small_share(name):
    found = outcome(name, SHARES[name])
    assert not found.missed, found.report()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("name", FORKING)
def test_the_bar_is_met_by_forked_processes(name):
    command = [sys.executable, "-m", "benchmarks.reliability", name, "--share", str(SHARES[name])]
    path = os.pathsep.join([*sys.path, str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("| ")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [name for name in SHARES if name not in (*FORKING, "saving")])
def test_the_bar_is_met_in_full(name):
    found = outcome(name, 1.0)
    assert not found.missed, found.report()


def test_a_difference_of_one_bit_between_two_runs_is_seen(tmp_path):
    small, equality = (import_module(f"benchmarks.reliability.{n}") for n in ("small", "equality"))
    seqlab = import_module("seqlab")
    for name, lr in (("one", 0.001), ("two", 0.0010000000000000002)):
        experiment = small.small_experiment(tmp_path, optimizer={"lr": lr})
        seqlab.run(experiment, run_dir=tmp_path / name)
    found = equality.differences(tmp_path / "one", tmp_path / "two")
    assert any(line.startswith("training/optimizer") for line in found)
    assert equality.differences(tmp_path / "one", tmp_path / "one") == []


def test_a_checkpoint_that_accepts_anything_misses_the_bar(monkeypatch):
    bitflips = import_module("benchmarks.reliability.bitflips")
    monkeypatch.setattr(bitflips, "load_checkpoint", lambda place: None)
    assert any("silent" in line for line in bitflips.check(0.01).missed)


def test_a_save_that_leaves_half_a_file_misses_the_bar(monkeypatch, tmp_path):
    faults = import_module("benchmarks.reliability.faults")

    def careless(folder, checkpoint):
        (folder / "step-00000007").mkdir(parents=True, exist_ok=True)
        (folder / "step-00000007" / "manifest.json").write_text("{}")

    monkeypatch.setattr(faults, "save_checkpoint", careless)
    assert any(faults._saves(tmp_path))
