"""experiments/classics/word_language_model.yaml against PyTorch's example, from the same weights.

python -m benchmarks.word_language_model [TEXT] [--only equal|curves|time] [--rounds N]

TEXT is a file of words and spaces, such as WikiText's; its first 90 % are trained on. `time` has
the two take turns of a number of steps, each in a process of its own, on two threads.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import load_file

import seqlab
from benchmarks import example_model
from benchmarks.interleaved import ratio, summary
from benchmarks.machine import describe, process_memory
from benchmarks.reliability.small import quietly
from benchmarks.words import add_text

FILE = Path(__file__).resolve().parents[1] / "experiments/classics/word_language_model.yaml"
FIRST, BAR = 50, 1e-5  # losses, and how far apart they may be
TURN = 20  # steps
EPOCHS, SEEDS = 5, 3  # of the curves
NO_DROPOUT = {"model.dropout": 0, "cell.dropout": 0}
SPAWN = multiprocessing.get_context("spawn")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.word_language_model")
    add_text(parser)
    parser.add_argument("--only", choices=["equal", "curves", "time"])
    parser.add_argument("--rounds", type=int, default=9, metavar="N")
    options = parser.parse_args()
    print(f"{describe()}; {options.text.name}")
    with tempfile.TemporaryDirectory() as name:
        work = Work(Path(name), options.text)
        parts: dict[str, Callable[[], Iterator[str]]] = {
            "equal": partial(_equal, work),
            "curves": partial(_curves, work),
            "time": partial(_time, work, options.rounds),
        }
        for part in [options.only] if options.only else parts:
            print()
            for line in parts[part]():
                print(line, flush=True)


class Work:
    """A text, and the ids and weights that both begin with."""

    def __init__(self, folder: Path, text: Path) -> None:
        self.folder, self.text = folder, text
        still = {"train": {"epochs": None, "steps": 1}, "optimizer.lr": 1e-30}
        with quietly():  # so that the weights stay those of the beginning
            run = seqlab.run(FILE, overrides=self.settings(**still), run_dir=folder / "first")
        self.weights = load_file(next(run.path.glob("checkpoints/*/model.safetensors")))
        cut = _holdout_start(text.read_text("utf-8"))
        parts = text.read_text("utf-8")[:cut], text.read_text("utf-8")[cut:]
        self.ids, self.held_out = (_ids(run.tokenizer, part) for part in parts)
        self.vocabulary = run.tokenizer.size

    def settings(self, **more: Any) -> dict[str, Any]:
        corpus = {"name": "text", "path": str(self.text), "holdout": 0.1}
        return {"corpus": corpus, "evaluation.every": "1 epoch", **more}

    def example(self, dropout: float = 0.0, seed: int | None = None) -> example_model.Example:
        """The example's model with the weights of the run, or with its own of a seed."""
        torch.manual_seed(seed or 0)
        model = example_model.Example(self.vocabulary, dropout)
        if seed is None:
            model.take(self.weights)
        return model


def _ids(tokenizer: Any, text: str) -> torch.Tensor:
    return torch.tensor(tokenizer.encode(text), dtype=torch.long)


def _holdout_start(text: str) -> int:
    """Where `holdout: 0.1` cuts."""
    return len(text) - int(0.1 * len(text))


class Losses:
    """Hands the loss of each step over."""

    step_interval = 1
    seen: Callable[[float], None] = staticmethod(lambda _loss: None)

    def seqlab_step_ended(self, record: Any) -> None:
        Losses.seen(record.loss)


def _trained(work: Work, steps: int, threads: int) -> list[float]:
    """The losses of seqlab."""
    losses: list[float] = []
    Losses.seen = losses.append
    budget = {
        "epochs": None,
        "steps": steps,
        "threads": threads,
        "init_from": str(work.folder / "first"),
    }
    settings = work.settings(**NO_DROPOUT, train=budget, observers=["losses"])
    plugins = [{"observers": {"losses": Losses}}]
    with tempfile.TemporaryDirectory() as folder, quietly():
        seqlab.run(FILE, overrides=settings, run_dir=Path(folder) / "run", plugins=plugins)
    return losses


def _example_trained(work: Work, steps: int, threads: int) -> list[float]:
    torch.set_num_threads(threads)
    data = example_model.columns(work.ids, example_model.ROWS)
    return list(islice(example_model.epochs(work.example(), data), steps))


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """In a process of its own."""
    with ProcessPoolExecutor(1, SPAWN) as pool:
        return pool.submit(function, *arguments).result()


def _equal(work: Work) -> Iterator[str]:
    steps = -(-(len(work.ids) // example_model.ROWS - 1) // example_model.WINDOW)  # an epoch
    ways = [(_trained, 1), (_trained, 2), (_example_trained, 1), (_example_trained, 2)]
    losses = [np.array(_alone(way, work, steps, threads)) for way, threads in ways]
    ours, theirs = losses[:2], losses[2:]
    yield f"| relative difference of losses, dropout 0 | first {FIRST} | all {steps} of an epoch |"
    yield "|---|---|---|"
    for threads in (0, 1):
        name = f"seqlab and the example, {threads + 1} thread{'s' * threads}"
        yield _differences(name, ours[threads], theirs[threads])
    yield _differences("the example with 1 thread and with 2", *theirs)


def _differences(name: str, one: Any, other: Any) -> str:
    apart = np.abs(one / other - 1)
    return f"| {name} | {apart[:FIRST].max():.1e} | {apart.max():.1e} |"


def _curve(work: Work, seed: int) -> list[float]:
    budget = {"epochs": EPOCHS, "seed": seed, "threads": 1}
    with tempfile.TemporaryDirectory() as folder, quietly():
        settings = work.settings(train=budget)
        run = seqlab.run(FILE, overrides=settings, run_dir=Path(folder) / "run")
    return [row["perplexity"] for row in run.metrics if row["split"] == "valid"]


def _example_curve(work: Work, seed: int) -> list[float]:
    """The example's own weights, masks and rate, which is quartered where no loss was ever less."""
    torch.set_num_threads(1)
    model, rate, best = work.example(0.2, seed), example_model.RATE, float("inf")
    data = example_model.columns(work.ids, example_model.ROWS)
    held_out = example_model.columns(work.held_out, 10)
    steps = len(list(example_model.windows(data)))
    curve = []
    for _ in range(EPOCHS):
        for _ in islice(example_model.epochs(model, data, rate), steps):
            pass
        loss = example_model.held_out_loss(model, held_out)
        curve.append(float(np.exp(loss)))
        best, rate = (loss, rate) if loss < best else (best, rate / 4)
    return curve


def _curves(work: Work) -> Iterator[str]:
    seeds = range(1, 1 + SEEDS)
    with ProcessPoolExecutor(2, SPAWN) as pool:
        both = [list(pool.map(way, [work] * SEEDS, seeds)) for way in (_curve, _example_curve)]
    yield f"| held-out perplexity, dropout 0.2, {SEEDS} seeds | seqlab | the example | |"
    yield "|---|---|---|---|"
    for epoch, (ours, theirs) in enumerate(zip(*(zip(*c, strict=True) for c in both), strict=True)):
        overlap = max(min(ours), min(theirs)) <= min(max(ours), max(theirs))
        words = "overlap" if overlap else "apart"
        yield f"| epoch {epoch + 1} | {summary(ours)} | {summary(theirs)} | {words} |"


class Turns:
    """A process that takes some steps when it is told to, and says how long they took."""

    def __init__(self, steps: Callable[..., None], *arguments: Any) -> None:
        self._ours, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=steps, args=(theirs, *arguments), daemon=True)
        self._process.start()
        self._ours.recv()

    def turn(self) -> tuple[float, float]:
        """Milliseconds a step, and the most memory so far, in MB."""
        self._ours.send("go")
        return cast("tuple[float, float]", self._ours.recv())

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def _take_turns(steps: Iterator[object], pipe: Connection) -> None:
    """Of the steps, TURN at a time; the first few before the first turn do not count."""
    for _ in islice(steps, 5):
        pass
    pipe.send("ready")
    while True:
        pipe.recv()
        begun = time.perf_counter()
        for _ in islice(steps, TURN):
            pass
        pipe.send(_turn_since(begun))


def _turn_since(begun: float) -> tuple[float, float]:
    """Milliseconds a step, and the most memory so far, in MB."""
    return 1e3 * (time.perf_counter() - begun) / TURN, process_memory("VmHWM")


class Paced:
    """An observer that lets a run take its turns."""

    step_interval = 1
    pipe: Connection

    def __init__(self) -> None:
        self._steps = 0
        self._begun = 0.0

    def seqlab_step_ended(self, record: Any) -> None:
        self._steps += 1
        done = self._steps - 5
        if done == 0:
            Paced.pipe.send("ready")
        elif done > 0 and done % TURN == 0:
            Paced.pipe.send(
                (1e3 * (time.perf_counter() - self._begun) / TURN, process_memory("VmHWM"))
            )
        if done >= 0 and done % TURN == 0:
            Paced.pipe.recv()
            self._begun = time.perf_counter()


def _seqlab_steps(pipe: Connection, work: Work) -> None:
    Paced.pipe = pipe
    settings = work.settings(train={"epochs": 1000, "threads": 2}, observers=["paced"])
    settings["evaluation.every"] = "1000 epochs"
    plugins = [{"observers": {"paced": Paced}}]
    with quietly():
        seqlab.run(
            FILE,
            overrides=settings,
            run_dir=work.folder / f"paced-{time.time_ns()}",
            plugins=plugins,
        )


def _example_steps(pipe: Connection, work: Work) -> None:
    torch.set_num_threads(2)
    data = example_model.columns(work.ids, example_model.ROWS)
    _take_turns(example_model.epochs(work.example(0.2), data), pipe)


def _time(work: Work, rounds: int) -> Iterator[str]:
    many = work.folder / "many.txt"
    many.write_text(_made_up(33_000), "utf-8")
    yield f"| vocabulary | seqlab, ms a step | example | ratio of {rounds} rounds | memory, MB |"
    yield "|---|---|---|---|---|"
    for each in (work, Work(work.folder / "many", many)):
        both = [Turns(_seqlab_steps, each), Turns(_example_steps, each)]
        times = [[turns.turn() for turns in both] for _ in range(rounds)]
        for turns in both:
            turns.end()
        ours, theirs = ([pair[who][0] for pair in times] for who in (0, 1))
        memory = " and ".join(f"{pair[1]:,.0f}" for pair in times[-1])
        row = (f"{each.vocabulary:,}", summary(ours), summary(theirs), ratio(ours, theirs), memory)
        yield f"| {' | '.join(row)} |"


def _made_up(words: int) -> str:
    """A text of 200,000 words, each of which comes up."""
    drawn = np.random.default_rng(0).permutation(np.arange(200_000) % words)
    lines = (" ".join(f"w{word}" for word in line) for line in drawn.reshape(-1, 40))
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()
