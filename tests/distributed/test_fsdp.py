"""Two processes with a share of the parameters each train the run that one process trains."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import seqlab

MEASURING = '''
import json, os
from pathlib import Path
import torch
from seqlab import hookimpl

def local(tensor):
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor

class Measured(torch.optim.AdamW):
    """Notes in its 5th step how many bytes it and its parameters take."""
    steps = 0

    def __init__(self, parameters, *, lr: float = 1e-3):
        super().__init__(parameters, lr=lr)

    def step(self, closure=None):
        super().step(closure)
        self.steps += 1
        if self.steps == 5:
            held = [p for group in self.param_groups for p in group["params"]]
            held += [t for p in held for t in self.state[p].values() if t.dim()]
            size = sum(local(t).untyped_storage().nbytes() for t in held)
            rank = os.environ.get("RANK", "alone")
            Path(os.environ["NOTES"], f"bytes-{rank}").write_text(json.dumps(size))

@hookimpl
def seqlab_register_optimizers():
    return {"measured": Measured}
'''
SHARDED = {"train.sharding": "parameters"}


def command(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-m", "seqlab", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def settings(overrides: dict) -> list[str]:
    return [word for k, v in overrides.items() for word in ("--set", f"{k}={json.dumps(v)}")]


def start(experiment: dict, run_dir: str, overrides: dict, *more: str) -> seqlab.Run:
    """Run an experiment in processes of its own."""
    path = Path(f"{run_dir}.yaml")
    path.write_text(yaml.safe_dump(experiment, allow_unicode=True))
    done = command("run", str(path), "--run-dir", run_dir, *settings(overrides), *more)
    assert done.returncode == 0, done.stderr
    return seqlab.open_run(run_dir)


@pytest.fixture
def experiment(tiny):
    return tiny | {
        "corpus": tiny["corpus"] | {"holdout": 0.2},
        "model": {"embedding": 16, "layers": 2, "dropout": 0.2},
        "cell": {"name": "lstm", "hidden_size": 32},
        "optimizer": {"name": "adamw", "lr": 0.01, "clip_norm": 0.5},
        "train": {"steps": 12, "accumulate": 2, "shards": 2, "threads": 1},
        "evaluation": {"every": 6},
        "samples": {"prefixes": ["the"], "length": 8},
    }


def numbers(run: seqlab.Run) -> list[float]:
    return [row["loss"] for row in run.metrics]


def assert_alike(run: seqlab.Run, other: seqlab.Run) -> None:
    """All losses within 1e-5, and checkpoints of one form with nearly the same weights."""
    assert numbers(run) == pytest.approx(numbers(other), rel=1e-5)
    ours, theirs = run.checkpoint, other.checkpoint
    assert shapes(ours.weights) == shapes(theirs.weights)
    for name, tensor in ours.weights.items():
        assert tensor.allclose(theirs.weights[name], atol=1e-4), name
    assert ours.state.keys() == theirs.state.keys()
    assert shapes(ours.state["training"]) == shapes(theirs.state["training"])


def shapes(tree):
    if hasattr(tree, "shape"):
        return tuple(tree.shape), tree.dtype
    if isinstance(tree, dict):
        return {key: shapes(value) for key, value in tree.items()}
    return [shapes(part) for part in tree] if isinstance(tree, list | tuple) else type(tree)


def test_shares_of_parameters_make_the_same_run_in_half_the_memory(experiment, monkeypatch):
    Path("plugins").mkdir()
    Path("plugins/measuring.py").write_text(MEASURING)
    monkeypatch.setenv("NOTES", str(Path.cwd()))
    measured = experiment | {"optimizer": {"name": "measured", "lr": 0.01, "clip_norm": 0.5}}
    alone = seqlab.run(measured, run_dir="alone", plugins=())
    two = start(measured, "two", SHARDED, "--workers", "2")
    assert_alike(two, alone)
    whole, *shares = (json.loads(Path(f"bytes-{rank}").read_text()) for rank in ("alone", "0", "1"))
    assert all(share <= 0.55 * whole for share in shares)
    assert two.samples == alone.samples

    before = len(numbers(two))
    seqlab.resume("two", overrides={"train.sharding": None, "train.steps": 18})
    seqlab.resume("alone", overrides={"train.steps": 18})
    two, alone = seqlab.open_run("two"), seqlab.open_run("alone")
    assert len(numbers(two)) > before
    assert_alike(two, alone)


@pytest.mark.parametrize("key", ["compile", "cuda_graphs"])
def test_what_records_a_step_is_refused_beside_it(tiny, key):
    tiny["train"] |= {"sharding": "parameters", key: True}
    with pytest.raises(
        seqlab.SeqlabError, match=rf"train\.sharding: does not go with train\.{key}"
    ):
        seqlab.run(tiny)


def test_one_process_says_that_it_has_all_parameters(tiny, caplog):
    tiny["train"] |= {"sharding": "parameters"}
    seqlab.run(tiny)
    assert "train.sharding: there is one process, which has all parameters" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"train.average": 0.9},
        {"train.activation_checkpointing": True},
        {"train.frozen": ["layers.*", "embedding.*"]},
        {"train.frozen": ["head.*"]},
        {"train.precision": "bfloat16", "optimizer.clip_norm": None},
        {"model": {"embedding": 32, "layers": 2, "tie_weights": True, "norm": "rms"}},
        {"model": {"embedding": "one_hot", "layers": 2}},
        {"sampler": {"name": "documents", "batch_size": 4, "window": 8}},
        {"sampler": {"name": "consecutive", "batch_size": 3, "window": 8}, "train.shards": 4},
        {"cell": {"name": "gru", "hidden_size": 32}},
        {"cell": {"name": "causal_attention", "hidden_size": 32}},
        {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}},
        {"optimizer": {"name": "adam", "lr": 0.01}},
        {"optimizer": {"name": "schedule_free_adamw", "lr": 0.01}},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_every_setting_makes_the_same_run(experiment, changed):
    alone = start(experiment, "alone", changed)
    assert_alike(start(experiment, "two", changed | SHARDED, "--workers", "2"), alone)


@pytest.mark.slow
def test_a_run_of_two_goes_on_on_four_and_a_whole_one_on_two(experiment):
    four = experiment | {"train": experiment["train"] | {"shards": 4}}
    alone = start(four, "alone", {})
    start(four, "two", SHARDED, "--workers", "2")
    shutil.copytree("alone", "whole")
    longer = settings({"train.steps": 18})
    assert command("resume", "alone", *longer).returncode == 0
    assert command("resume", "two", *longer, "--workers", "4").returncode == 0
    both = (*longer, *settings(SHARDED), "--workers", "2")
    assert command("resume", "whole", *both).returncode == 0
    alone = seqlab.open_run("alone")
    assert_alike(seqlab.open_run("two"), alone)
    assert_alike(seqlab.open_run("whole"), alone)


@pytest.mark.slow
def test_an_optimizer_that_evaluates_the_model_itself_is_refused_in_one_line(experiment):
    Path("sam.yaml").write_text(yaml.safe_dump(experiment))
    sam = SHARDED | {"optimizer": {"name": "sam"}}
    done = command("run", "sam.yaml", *settings(sam), "--workers", "2")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "optimizer 'sam' cannot step parameters that are sharded: it evaluates the model by itself"
    )


@pytest.mark.slow
def test_a_process_that_stops_is_named_and_nobody_remains(experiment):
    Path("long.yaml").write_text(yaml.safe_dump(experiment))
    long = settings(SHARDED | {"train.steps": 100_000})
    arguments = ["run", "long.yaml", "--run-dir", "long", "--workers", "2", *long]
    process = subprocess.Popen(
        [sys.executable, "-m", "seqlab", *arguments], stderr=subprocess.PIPE, text=True
    )
    rank_1 = _process_of_rank(1, process.pid)
    _wait_for(
        lambda: Path("long/metrics.jsonl").exists() and Path("long/metrics.jsonl").read_text()
    )
    os.kill(rank_1, signal.SIGSTOP)
    _, said = process.communicate(timeout=90)
    assert process.returncode == 1
    assert "rank 1 does not answer" in said
    assert not Path(f"/proc/{rank_1}").exists()


def _process_of_rank(rank: int, parent: int) -> int:
    found: list[int] = []

    def look() -> bool:
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                words = path.read_bytes().split(b"\0")
                owner = int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if owner == parent and f"RANK={rank}".encode() in words:
                found.append(int(path.parent.name))
        return bool(found)

    _wait_for(look)
    return found[0]


def _wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
