"""Times of the core, as ratios where there is a peer: prints the table of docs/timings.md.

python -m benchmarks.timings [--rounds 15]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

import seqlab
from benchmarks.interleaved import summary
from benchmarks.machine import describe
from benchmarks.peers import BATCH, WINDOW, plain_step, plain_steps_per_epoch
from seqlab.registry import resolve
from seqlab.runs.building import build
from seqlab.training.step import RunningEpoch

JAY_RNN = Path(__file__).resolve().parents[1] / "experiments" / "jay_rnn.yaml"
IMPORTS = {
    "`import torch`": "import torch",
    "the same, and one of torch's optimizers": (
        "import torch; torch.optim.Adam([torch.zeros(1, requires_grad=True)])"
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"{describe()}; median (smallest – largest) of {rounds}\n")
    print("| what | seconds | against | ratio or difference |\n|---|---|---|---|")
    _compare_epochs(rounds)
    _time_help(rounds)
    _time_first_run(max(rounds // 3, 3))


def _compare_epochs(rounds: int) -> None:
    """One epoch of `jay_rnn` and one of the textbook's loop, in turn, in this process."""
    ours, ids, vocabulary = _our_epoch()
    plain = plain_epoch(ids, vocabulary)
    ours()
    plain()
    pairs = [(_seconds(ours), _seconds(plain)) for _ in range(rounds)]
    mine = [pair[0] for pair in pairs]
    ratios = [own / other for own, other in pairs]
    print(f"| one epoch of `jay_rnn` | {summary(mine)} | a plain loop | {summary(ratios)} × |")


def _our_epoch() -> tuple[Callable[[], None], Tensor, int]:
    registry = seqlab.load_plugins(local=False)
    resolved = resolve(seqlab.read_experiment(JAY_RNN), registry)
    parts = build(resolved)
    training = parts.training

    def epoch() -> None:
        running = RunningEpoch(training.columns)
        for step in training.steps(training.done + len(parts.sampler)):
            running.add(step)
        running.record(step)

    ids = torch.from_numpy(parts.prepared.tokens.ids.astype("int64"))
    return epoch, ids, parts.prepared.tokenizer.size


def plain_epoch(ids: Tensor, vocabulary: int, device: str = "cpu") -> Callable[[], float]:
    """Return what trains one epoch as the textbook describes it, and gives its mean loss."""
    step, steps = plain_step(nn.RNN, ids, vocabulary, device), plain_steps_per_epoch(ids)
    return lambda: sum(step() for _ in range(steps)) / (steps * BATCH * WINDOW)


def _time_help(rounds: int) -> None:
    times = [_seconds(lambda: _seqlab("--help")) for _ in range(rounds)]
    print(f"| `seqlab --help` | {summary(times)} | | |")


def _time_first_run(rounds: int) -> None:
    """A run of `jay_rnn` less its training, beside processes that import torch."""
    _outside_training()  # so that what is compiled once has been
    times = [
        [_outside_training(), *(_seconds(partial(_python, peer)) for peer in IMPORTS.values())]
        for _ in range(rounds)
    ]
    outside, *peers = zip(*times, strict=True)
    for name, imported in zip(IMPORTS, peers, strict=True):
        difference = summary([own - other for own, other in zip(outside, imported, strict=True)])
        print(
            f"| a first run: start, build, save | {summary(outside)} | {name},"
            f" {summary(imported)} | {difference} s |"
        )


def _outside_training() -> float:
    """The seconds of two epochs' run, less twice the second one: what the first begins counts."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        options = ("--set", "train.epochs=2", "--set", "samples=null", "--run-dir", str(run))
        whole = _seconds(lambda: _seqlab("run", str(JAY_RNN), *options))
        return whole - 2 * float(seqlab.open_run(run).metrics[1]["seconds"])


def _seqlab(*arguments: str) -> None:
    _python("from seqlab.cli import main; main()", *arguments)


def _python(code: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
