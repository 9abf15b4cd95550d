"""Training steps against loops that a user would write, and against the machine's own limits.

python -m benchmarks.steps [--rounds 15]

Peers run in turn with ours in this process. Ratios are of medians of rounds of five steps.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import seqlab
from benchmarks.machine import describe
from benchmarks.peers import StepGRU, WholeGRU, plain_step
from seqlab.experiment.sections import Model, Train
from seqlab.model.language_model import LanguageModel
from seqlab.model.products import product
from seqlab.training.device import pick_device
from seqlab.training.eager import spare_compiler
from seqlab.training.loop import Training
from seqlab.training.measures import TokenSizes
from seqlab.training.precision import choose_precision

Step = Callable[[], object]
Row = tuple[str, str, str, str]
STEPS = 5  # in a round
REGISTRY = seqlab.load_plugins(local=False)
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--memory", choices=["ours", "whole"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    spare_compiler()
    if options.memory:
        print(_peak(options.memory))
        return
    print(f"{describe()}; median (smallest – largest) of {options.rounds}\n")
    print("| what | ms | against | ratio |\n|---|---|---|---|")
    for row in _rows(options.rounds):
        print(f"| {' | '.join(row)} |", flush=True)


def _rows(rounds: int) -> Iterator[Row]:
    for cell in ("rnn", "lstm", "gru"):
        for precision in ("float32", "auto"):
            ours = training_step(cell, precision=precision)
            yield _against(
                f"`{cell}`, {precision}", ours, "the textbook's loop", _plain(cell), rounds
            )
    yield from _utilisation(rounds)
    yield _against(
        "a GRU of one step, by `unroll`",
        training_step(StepGRU, Model(embedding=128)),
        "the same by `nn.GRU`",
        training_step(WholeGRU, Model(embedding=128)),
        rounds,
    )
    yield _scan(rounds)
    yield from _corpora(rounds)
    yield from _windows(rounds)
    yield from _vocabularies(rounds)
    yield _memory()


def training_step(
    cell: str | Callable[..., nn.Module],
    model: Model | None = None,
    *,
    hidden: int = 256,
    vocabulary: int = 1027,
    batch: int = 32,
    window: int = 35,
    precision: str = "float32",
    ids: Any = None,
) -> Step:
    """Return what takes one step of seqlab's loop, with Adam and clipping."""
    torch.manual_seed(0)
    make = REGISTRY.find("cell", cell).factory if isinstance(cell, str) else cell
    build = cast("Callable[[int], seqlab.Cell]", partial(make, hidden_size=hidden))
    lm = LanguageModel(vocabulary, build, model or Model()).to(pick_device("auto"))
    ids = _random_ids(vocabulary) if ids is None else ids
    tokens = seqlab.Tokens(ids, np.zeros(1, dtype=np.int64))
    sampler = REGISTRY.find("sampler", "consecutive").factory(
        tokens, 0, batch_size=batch, window=window
    )
    optimizer = REGISTRY.find("optimizer", "adam").factory(list(lm.named_parameters()), lr=1e-3)
    schedule = REGISTRY.find("schedule", "constant").factory(optimizer, 10**9)
    device = lm.head.weight.device
    sizes = TokenSizes(torch.ones(2, vocabulary, dtype=torch.float64, device=device))
    settings = Train(steps=10**9, precision=precision)  # type: ignore[arg-type] # a literal
    training = Training(
        lm, sampler, optimizer, schedule, sizes=sizes, clip_norm=1e-2, settings=settings
    )
    return partial(next, training.steps(10**9))


def _random_ids(vocabulary: int, count: int = 200_000) -> Any:
    return np.random.default_rng(0).integers(0, vocabulary, count).astype(np.uint32)


def _plain(cell: str) -> Step:
    kinds = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
    return plain_step(
        kinds[cell], torch.from_numpy(_random_ids(1027, 40_000).astype("int64")), 1027
    )


def _against(name: str, ours: Step, other: str, peer: Step, rounds: int) -> Row:
    mine, theirs = _in_turn([ours, peer], rounds)
    return name, _said(mine), f"{other}, {_said(theirs)}", f"{_ratio(mine, theirs)} ×"


def _in_turn(steps: list[Step], rounds: int) -> list[list[float]]:
    """Milliseconds a step of each, round by round."""
    for step in steps:
        _timed(step)
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(rounds):
        for step, into in zip(steps, times, strict=True):
            into.append(_timed(step))
    return times


def _timed(step: Step, count: int = STEPS) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        step()
    return 1e3 * (time.perf_counter() - begun) / count


def _utilisation(rounds: int) -> Iterator[Row]:
    """Six operations for each weight of a product and each token, over the peak of a product."""
    hidden, embedding, vocabulary, batch, window = 512, 128, 65, 64, 64
    weights = 3 * hidden * (hidden + embedding) + hidden * vocabulary
    for precision in ("float32", "auto"):
        step = training_step(
            "gru",
            Model(embedding=embedding),
            hidden=hidden,
            vocabulary=vocabulary,
            batch=batch,
            window=window,
            precision=precision,
        )
        dtype = choose_precision(precision, CPU)
        square = torch.randn(2048, 2048).to(dtype)
        kernels = [partial(kernel, square, square) for kernel in (torch.mm, product)]
        mine, *products = _in_turn([step, *kernels], rounds)
        done = 6 * weights * batch * window / statistics.median(mine) / 1e6
        peak = 2 * 2048**3 / min(map(statistics.median, products)) / 1e6
        yield (
            f"`gru` 512, batch 64, window 64, {precision}",
            _said(mine),
            f"a product of 2048 × 2048 by torch's quicker kernel, {peak:.0f} GFLOP/s",
            f"{done:.0f} GFLOP/s, {done / peak:.0%}",
        )


def _scan(rounds: int) -> Row:
    """Forward and backward of minGRU over a window of 512, at once and one step at a time."""
    cell = REGISTRY.find("cell", "min_gru").factory(256, hidden_size=256)
    inputs = torch.randn(16, 512, 256)

    def at_once() -> None:
        outputs, _ = cell(inputs, None)
        torch.autograd.backward(outputs.sum())

    def stepping() -> None:
        state, outputs = None, []
        for one in torch.split(inputs, 1, 1):
            output, state = cell(one, state)
            outputs.append(output)
        torch.autograd.backward(torch.cat(outputs, 1).sum())

    mine, theirs = _in_turn([at_once, stepping], max(rounds // 3, 3))
    ratio = statistics.median(theirs) / statistics.median(mine)
    return (
        "`min_gru` by its scan, window 512",
        _said(mine),
        f"step by step, {_said(theirs)}",
        (f"{ratio:.1f} times as fast"),
    )


def _corpora(rounds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        sizes = [10**power for power in range(4, 10)]
        steps = []
        for size in sizes:
            ids = np.memmap(Path(folder, str(size)), np.uint16, "w+", shape=(size,))
            steps.append(training_step("rnn", ids=ids))
        times = _in_turn(steps, rounds)
        for size, found in zip(sizes, times, strict=True):
            yield (
                f"a corpus of {size:.0e} tokens",
                _said(found),
                "1e4",
                f"{_ratio(found, times[0])} ×",
            )


def _windows(rounds: int) -> Iterator[Row]:
    lengths = (35, 70, 140, 280)
    times = _in_turn([training_step("rnn", window=length) for length in lengths], rounds)
    for length, found in zip(lengths, times, strict=True):
        share = _ratio(found, times[0])
        yield (
            f"a window of {length}",
            _said(found),
            f"35: {length / 35:.0f} × the tokens",
            f"{share} ×",
        )


def _vocabularies(rounds: int) -> Iterator[Row]:
    """A learned embedding, so that the vocabulary shows in the output layer and the lookup."""
    for size in (100, 1_000, 10_000, 100_000):
        ours = training_step("rnn", Model(embedding=128), vocabulary=size)
        found, layer = _in_turn([ours, _output_layer(size)], max(rounds // 3, 3))
        rest = statistics.median(found) - statistics.median(layer)
        said = f"the output layer, its loss and Adam alone, {_said(layer)}"
        yield f"a vocabulary of {size:,}", _said(found), said, f"{rest:+.1f} ms"


def _output_layer(size: int) -> Step:
    torch.manual_seed(0)
    head, embedding = nn.Linear(256, size), nn.Embedding(size, 128)
    parameters = [*head.parameters(), *embedding.parameters()]
    optimizer = torch.optim.Adam(parameters, fused=True)
    hidden, targets = torch.randn(32 * 35, 256), torch.randint(size, (32 * 35,))

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(head(hidden + embedding(targets).mean()), targets)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return step


def _memory() -> Row:
    """Peak resident memory of a process that takes three steps, over that before the first."""
    peaks = {which: _child(which) for which in ("ours", "whole")}
    return (
        "peak memory of a step, vocabulary 100,000",
        f"{peaks['ours']:.0f} MB",
        f"logits kept whole, {peaks['whole']:.0f} MB",
        f"{peaks['ours'] / peaks['whole']:.2f} ×",
    )


def _child(which: str) -> float:
    command = [sys.executable, "-m", "benchmarks.steps", "--memory", which]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _peak(which: str) -> float:
    step = training_step("rnn", Model(embedding=128), vocabulary=100_000)
    if which == "whole":
        step = _whole_logits()
    before = _status("VmRSS")
    _timed(step, 3)
    return _status("VmHWM") - before


def _whole_logits() -> Step:
    """The same model and optimizer in a loop that asks torch for the loss of all logits."""
    make = REGISTRY.find("cell", "rnn").factory
    lm = LanguageModel(100_000, lambda size: make(size, hidden_size=256), Model(embedding=128))
    optimizer = REGISTRY.find("optimizer", "adam").factory(list(lm.named_parameters()), lr=1e-3)
    ids = torch.randint(100_000, (32, 36))

    def step() -> None:
        optimizer.zero_grad()
        logits, _ = lm(ids[:, :-1], None)
        loss: Tensor = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        nn.utils.clip_grad_norm_(lm.parameters(), 1e-2)
        optimizer.step()

    return step


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def _ratio(mine: list[float], theirs: list[float]) -> str:
    return _said([one / other for one, other in zip(mine, theirs, strict=True)])


def _said(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} – {max(values):.2f})"


if __name__ == "__main__":
    main()
