"""`seqlab sweep`, as it is typed."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.sweeps.small import differs_from_alone, start, status, write_sweep
from seqlab.cli.main import call
from seqlab.sweeps.hosts import present

SECONDS = 240
FAKE_SLURM = {
    "srun": """#!/bin/bash
while [ "${1#-}" != "$1" ]; do
  case "$1" in --output|--error) shift 2;; *) shift;; esac
done
exec "$@"
""",
    "sbatch": """#!/bin/bash
script="${@: -1}"
cp "$script" submitted.sh
for i in 0 1; do
  SLURM_JOB_ID=77 SLURM_ARRAY_JOB_ID=77 SLURM_ARRAY_TASK_ID=$i SLURM_PROCID=0 SLURM_NTASKS=1 \
  SLURM_JOB_NODELIST=here SLURM_LOCALID=0 SLURM_NODEID=0 SLURM_JOB_NUM_NODES=1 \
    bash "$script" > job-$i.log 2>&1 &
done
echo "Submitted batch job 77"
""",
}


@pytest.fixture
def two(write, run):
    """A sweep of two kinds of cell, which has ended."""
    return run(write({"cell": ["rnn", "gru"], "optimizer.lr": [0.01, 0.02, 0.03]}, search="grid"))


def test_status_has_a_row_for_each_trial_in_every_form(two, capsys):
    assert call(["sweep", "status", "it", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"finished": 6}
    assert told["best"] == told["trials"][0]["trial"]
    assert sum(told["importances"].values()) == pytest.approx(1)
    assert call(["sweep", "status", "it", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [int(row["trial"]) for row in rows] == [row["trial"] for row in told["trials"]]
    assert call(["sweep", "status", "it", "--markdown"]) == 0
    assert capsys.readouterr().out.count("\n|") > 6
    assert call(["sweep", "status", "it"]) == 0
    assert "6 finished" in capsys.readouterr().out
    assert call(["sweep", "status", "it", "--csv", "--json"]) == 2


def test_a_sweeps_name_stands_for_all_its_runs(two, capsys):
    assert call(["runs", "it", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 6
    assert call(["compare", "it", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 6


def test_plot_draws_a_sweep_and_with_a_metric_its_curves(two, capsys):
    assert call(["plot", "it", "--out", "it.svg"]) == 0
    assert call(["plot", "it", "--out", "again.svg"]) == 0
    assert Path("it.svg").read_bytes() == Path("again.svg").read_bytes()
    assert call(["plot", "it", "--metric", "loss", "--out", "curves.svg"]) == 0
    assert Path("curves.svg").read_bytes() != Path("it.svg").read_bytes()
    capsys.readouterr()
    assert call(["plot", "it"]) == 0
    drawn = capsys.readouterr().out
    assert "importance" in drawn
    assert max(map(len, drawn.splitlines())) <= 80
    assert call(["plot", "it", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["tried"]) == 6


def test_a_dry_run_says_what_would_run_and_runs_nothing(write, capsys):
    write({"cell": ["rnn", "gru"]}, trials=7, parallel=3)
    assert call(["sweep", "it.yaml", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "trials: 7 by tpe, 3 at once" in said
    assert "cell: rnn | gru" in said
    assert not Path("runs").exists()


def test_a_mistake_in_the_file_is_an_exit_code_of_2_with_its_place(write, capsys):
    write({"cell": ["rnn", "grru"]}, trials=1)
    assert call(["sweep", "it.yaml"]) == 2
    assert "it.yaml:5:5: cell.name: unknown cell 'grru'" in capsys.readouterr().err


def test_an_unknown_sweep_is_told_what_there_is(two, capsys):
    assert call(["sweep", "status", "itt"]) == 2
    assert "did you mean 'it'?" in capsys.readouterr().err


def test_without_the_package_a_line_says_what_to_install(write, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    write(trials=1)
    assert call(["sweep", "it.yaml"]) == 2
    assert "pip install 'seqlab[sweep]'" in capsys.readouterr().err


def test_help_imports_neither_torch_nor_optuna():
    code = (
        "import sys; from seqlab.cli.main import call; code = call(['sweep', '--help']);"
        "sys.exit(code or bool({'optuna', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_the_script_of_slurm_is_shown(write, capsys):
    executor = {"name": "slurm", "minutes": 30, "partition": "long", "options": {"account": "me"}}
    write(trials=4, parallel=2, executor=executor)
    assert call(["sweep", "it.yaml", "--dry-run"]) == 0
    said = capsys.readouterr().out
    for line in ("#SBATCH --array=0-1%2", "#SBATCH --time=30", "#SBATCH --account=me"):
        assert line in said
    assert call(["sweep", "it.yaml"]) == 1
    assert "executor: slurm" in capsys.readouterr().err


@pytest.mark.slow
def test_jobs_of_slurm_run_the_trials(write, capsys, monkeypatch):
    Path("bin").mkdir()
    for name, text in FAKE_SLURM.items():
        Path("bin", name).write_text(text)
        Path("bin", name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{Path('bin').absolute()}:{os.environ['PATH']}")
    write(trials=2, parallel=2, executor={"name": "slurm"})
    assert call(["sweep", "it.yaml", "--no-local-plugins"]) == 0
    assert "Submitted jobs: 77_0, 77_1" in capsys.readouterr().err
    until, counts = time.monotonic() + 120, {}
    while counts != {"finished": 2} and time.monotonic() < until:
        time.sleep(1)
        assert call(["sweep", "status", "it", "--json"]) == 0
        counts = json.loads(capsys.readouterr().out)["counts"]
    assert counts == {"finished": 2}


# -- processes


def test_locks_of_another_host_that_beats_are_seen_or_not(tmp_path):
    with present(tmp_path) as reach:
        assert reach == "hosts"
        (own,) = tmp_path.glob("host-*.lock")
        other = tmp_path / "host-elsewhere-1.lock"
        other.touch()  # nobody holds it, and it does not beat: its sweep was killed
        other.with_suffix(".beat").write_text("7")
        with present(tmp_path) as reach:
            assert reach == "hosts"
        other.unlink()
        other.hardlink_to(own)  # held
        with present(tmp_path) as reach:
            assert reach == "hosts"


def test_where_a_beating_host_has_no_lock_that_is_seen_each_host_keeps_its_trials(tmp_path):
    import threading

    other, over = tmp_path / "host-elsewhere-1.lock", threading.Event()
    other.touch()

    def beat():
        number = 0
        while not over.wait(0.2):
            number += 1
            other.with_suffix(".beat").write_text(str(number))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with present(tmp_path) as reach:
            assert reach == "host"
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_ctrl_c_saves_and_the_same_command_goes_on(registry):
    write_sweep(Path(), trials=4, parallel=2)
    process = start(Path())
    while not list(Path().glob("runs/small/trial-*/checkpoints/step-*")):
        time.sleep(0.1)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, said
    assert "running trials are saved" in said
    assert status(Path())["counts"]["interrupted"] >= 1
    process = start(Path())
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    assert status(Path())["counts"] == {"finished": 4}
    for run in Path("runs/small").glob("trial-*"):
        assert differs_from_alone(run, registry, Path("alone", run.name)) == []


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_trial_resumed(registry):
    from benchmarks.sweeps.small import workers_of

    write_sweep(Path(), trials=3)
    process = start(Path())
    while not list(Path().glob("runs/small/trial-*/checkpoints/step-*")):
        time.sleep(0.1)
        assert process.poll() is None
    os.kill(workers_of(process)[0], signal.SIGKILL)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    assert status(Path())["counts"] == {"finished": 3}
    described = [json.loads(p.read_text()) for p in Path("runs/small").glob("trial-*/run.json")]
    assert any("resumed" in description for description in described)


@pytest.mark.slow
def test_a_trial_on_two_processes_prunes_on_both_and_they_live_on(registry):
    space = {"optimizer.lr": [0.02, 0.021, 0.022, 0.023, 0.024, 1e-7]}
    write_sweep(Path(), workers=2, search="grid", seed=3, prune="median", space=space,
                train={"epochs": 3})  # fmt: skip
    process = start(Path())
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    counts = status(Path())["counts"]
    assert sum(counts.values()) == 6
    assert set(counts) <= {"finished", "pruned"}
    described = [json.loads(p.read_text()) for p in Path("runs/small").glob("trial-*/run.json")]
    assert {description["launch"]["processes"] for description in described} == {2}


@pytest.mark.slow
def test_fail_fast_ends_the_sweep_with_its_first_failure():
    space = {"optimizer.lr": [1e38, 2e38, 3e38, 1e37, 2e37, 0.01]}
    write_sweep(Path(), search="grid", space=space)
    process = start(Path(), "--fail-fast")
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1, said
    assert status(Path())["counts"]["waiting"] >= 1
