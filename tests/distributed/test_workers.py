"""A run on several processes is the run of one: the same bits, files and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seqlab.experiment.yaml12 import dump_yaml

SECONDS = 120


@pytest.fixture
def start(tiny, monkeypatch):
    """Start the command in a process of its own, on an experiment with everything in it."""
    monkeypatch.setenv("SEQLAB_KERNELS", "reference")
    experiment = tiny | {
        "corpus": tiny["corpus"] | {"holdout": 0.2},
        "sampler": {"name": "documents", "batch_size": 6, "window": 8},
        "cell": {"name": "gru", "hidden_size": 8},
        "model": {"dropout": 0.2, "embedding": 8, "layers": 2},
        "optimizer": {"name": "adam", "lr": 0.01, "clip_norm": 0.1},
        "train": {
            "steps": 12,
            "accumulate": 2,
            "shards": 4,
            "threads": 1,
            "checkpoint": {"every": 4, "keep": 9},
        },
        "evaluation": {"every": 5, "rows": 3},
        "samples": {"prefixes": ["the"], "length": 4},
    }
    Path("it.yaml").write_text(dump_yaml(experiment))

    def start(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "seqlab", *words], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True
        )  # fmt: skip

    return start


@pytest.fixture
def done(start):
    """Call the command; return its exit code and what it said on stderr."""

    def done(*words: str) -> tuple[int, str]:
        process = start(*words)
        _, errors = process.communicate(timeout=SECONDS)
        return process.returncode, errors

    return done


def facts(folder: str) -> tuple[list[dict], list[dict], dict[str, bytes]]:
    """Everything of a run that must be equal: rows, samples, and the files of the weights."""
    rows, samples = (
        [
            {k: v for k, v in json.loads(line).items() if "second" not in k}
            for line in Path(folder, name).read_text().splitlines()
        ]
        for name in ("metrics.jsonl", "samples.jsonl")
    )
    weights = sorted(Path(folder, "checkpoints").glob("*/model.safetensors"))
    return rows, samples, {path.parent.name: path.read_bytes() for path in weights}


def test_two_processes_make_the_run_of_one_and_either_goes_on_with_it(done):
    assert done("run", "it.yaml", "--run-dir", "one")[0] == 0
    code, said = done("run", "it.yaml", "--run-dir", "two", "--workers", "2")
    assert (code, said.count("The run is in two")) == (0, 1)
    assert facts("one") == facts("two")
    assert json.loads(Path("two/run.json").read_text())["launch"]["processes"] == 2
    for workers, folder in (("1", "two"), ("2", "one")):
        words = ("resume", folder, "--checkpoint", "4", "--workers", workers)
        assert done(*words)[0] == 0
    assert facts("one") == facts("two")


def test_without_shards_there_are_as_many_as_processes(done):
    words = ("--set", "train.shards=1", "--set", "train.steps=2")
    code, said = done("run", "it.yaml", "--run-dir", "two", "--workers", "2", *words)
    assert (code, said.count("train.shards is 2, as many as there are processes")) == (0, 1)
    assert "shards: 2" in Path("two/resolved.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--workers", "3"), "--workers 3: should be a power of two"),
        (("--workers", "8"), "8 does not divide train.shards, which is 4; possible are 1, 2, 4"),
        (
            ("--workers", "4", "--set", "sampler.batch_size=3"),
            "--workers: 4 is more than the 3 rows of a batch (sampler.batch_size)",
        ),
    ],
)
def test_processes_that_cannot_share_the_shards_are_refused(done, words, message):
    code, said = done("run", "it.yaml", "--run-dir", "it", *words)
    assert code == 2
    assert message in said
    assert said.count(message) == 1
    assert not Path("it").exists()


def test_what_one_process_says_is_told_once_with_its_code(done):
    code, said = done("run", "it.yaml", "--workers", "2", "--set", "corpus.path=nowhere.txt")
    assert code == 4
    (line,) = (line for line in said.splitlines() if "nowhere.txt" in line)
    assert line.startswith(
        "seqlab: --set corpus.path=nowhere.txt: corpus.path: nowhere.txt: there is"
    )
    assert "Traceback" not in said


def test_python_starts_processes_too_and_gets_the_run_of_one(done, start):
    """A script needs no guard of its main module, as nothing of it runs again."""
    script = """
import seqlab
with_mapping = seqlab.read_experiment("it.yaml", {"train.steps": 8})
run = seqlab.run(with_mapping, workers=2, run_dir="two")
run = run.resume(overrides={"train.steps": 12}, workers=2)
print(run.path, len(run.metrics))
try:
    seqlab.run("it.yaml", overrides={"cell": "grv"}, workers=2)
except seqlab.ExperimentError as error:
    print(error)
try:
    seqlab.run("it.yaml", plugins=[type("Mine", (seqlab.Bidirectional,), {})], workers=2)
except seqlab.UsageError as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    first, unknown, given = said.stdout.splitlines()[-3:]
    assert done("run", "it.yaml", "--run-dir", "one")[0] == 0
    rows, samples, weights = facts("one")
    assert facts("two") == (rows, samples, weights)
    assert first == f"{Path('two').absolute()} {len(rows)}"
    assert "did you mean 'gru'?" in unknown
    assert "has no file from which other processes could load it" in given
    assert Path("two/experiment.yaml").read_bytes() == Path("it.yaml").read_bytes()


def processes(launcher: int) -> list[int]:
    """The processes that a launcher has started, by rank."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "environ").read_bytes().split(b"\0")
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        ranks = [word for word in words if word.startswith(b"RANK=")]
        if parent == launcher and ranks:
            found[int(ranks[0][5:])] = int(path.name)
    return [found[rank] for rank in sorted(found)]


def is_alive(process: int) -> bool:
    """Whether a process has not ended; nobody may have asked how it did."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def has_steps(folder: str) -> bool:
    return any(Path(folder).glob("checkpoints/step-*"))


LONG = ("--set", "train.steps=5000", "--set", "train.checkpoint.every=1")


@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
)
def test_a_signal_to_the_launcher_saves_the_run_once(start, sent, code):
    process = start("run", "it.yaml", "--run-dir", "it", "--workers", "2", *LONG)
    until(lambda: has_steps("it"))
    process.send_signal(sent)
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == code
    assert said.count("it is saved. To go on: seqlab resume it") == 1
    assert json.loads(Path("it/run.json").read_text())["status"] == "interrupted"


def test_a_process_that_is_killed_ends_all_by_name(start):
    process = start("run", "it.yaml", "--run-dir", "it", "--workers", "2", *LONG)
    until(lambda: has_steps("it"))
    os.kill(processes(process.pid)[1], signal.SIGKILL)
    begun = time.monotonic()
    _, said = process.communicate(timeout=SECONDS)
    assert time.monotonic() - begun < 60
    assert process.returncode == 1
    assert said.splitlines()[-1] == "seqlab: rank 1 was killed by SIGKILL"


def test_nobody_outlives_a_launcher_that_is_killed(start):
    process = start("run", "it.yaml", "--run-dir", "it", "--workers", "2", *LONG)
    until(lambda: has_steps("it"))
    left = processes(process.pid)
    assert len(left) == 2
    process.kill()
    process.communicate(timeout=SECONDS)  # the pipes are closed when nobody is left
    until(lambda: not any(map(is_alive, left)))


@pytest.mark.slow
def test_a_run_goes_on_after_a_kill_to_the_same_bits(done, start):
    assert done("run", "it.yaml", "--run-dir", "one", "--set", "train.steps=60")[0] == 0
    words = ("--workers", "4", "--max-restarts", "2", "--set", "train.steps=60")
    process = start("run", "it.yaml", "--run-dir", "two", *words)
    until(lambda: has_steps("two"))
    os.kill(processes(process.pid)[2], signal.SIGKILL)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert facts("one") == facts("two")
    assert json.loads(Path("two/run.json").read_text())["launch"]["attempt"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_hangs_ends_all_by_name(start, rank):
    process = start("run", "it.yaml", "--run-dir", "it", "--workers", "2", *LONG)
    until(lambda: has_steps("it"))
    stopped = processes(process.pid)[rank]
    os.kill(stopped, signal.SIGSTOP)
    begun = time.monotonic()
    _, said = process.communicate(timeout=SECONDS)
    assert time.monotonic() - begun < 90
    assert process.returncode == 1
    assert f"rank {rank} does not answer" in said.splitlines()[-1]
    assert not is_alive(stopped)


@pytest.mark.parametrize("verb", ["run", "resume"])
def test_a_launch_that_was_killed_after_the_end_of_the_run_is_done(done, monkeypatch, verb):
    for name, value in {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "it")
    assert done("run", "it.yaml", "--run-dir", "it")[0] == 0
    before = facts("it")
    words = ("run", "it.yaml", "--run-dir", "it") if verb == "run" else ("resume", "it")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert done(*words)[0] == 0
    assert facts("it") == before
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "another")
    if verb == "resume":
        assert "has all of its 12 steps" in done(*words)[1]
