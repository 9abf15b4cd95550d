"""Token stores at size: memory, opening, cold reads, and steps. Prints the table of docs/stores.md.

python -m benchmarks.stores [--gigabytes 2] [--keep DIR]

Needs twice the gigabytes on disk. The text repeats the lyrics that come with seqlab and sources of
Python's library, about half of its bytes each; 2 GB of it are more than 1e9 tokens.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import seqlab
from benchmarks.interleaved import summary
from benchmarks.machine import describe
from seqlab.data import cache_entries
from seqlab.data.preparation import prepare
from seqlab.registry import resolve
from seqlab.runs.building import build
from seqlab.training.eager_optimizers import spare_compiler

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 15
ROWS, WINDOW = 64, 35
BUILD = "prepare(resolve_text(read_experiment({experiment!r}), load_plugins(local=False)))"
IMPORTS = """
import resource, sys
import seqlab
from seqlab import load_plugins, read_experiment
from seqlab.data import cache_entries
from seqlab.data.preparation import prepare
from seqlab.registry import resolve_text

def status(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

before = status("VmRSS")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--keep", type=Path, help="work here, and leave text and store for later")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.keep or Path(temporary)).absolute()
        work.mkdir(exist_ok=True, parents=True)
        os.environ["SEQLAB_CACHE"] = str(work / "cache")
        text = work / f"text-{options.gigabytes:g}.txt"
        if not text.exists():
            _write_text(text, int(options.gigabytes * 1e9))
        print(f"{describe()}; median (smallest – largest) of {REPEATS}\n")
        print("| what | figure |\n|---|---|", flush=True)
        for name, figure in _rows(text):
            print(f"| {name} | {figure} |", flush=True)


def _write_text(path: Path, size: int) -> None:
    lyrics = (ROOT / "data" / "original_lyrics.txt").read_bytes()
    sources = "\n".join(Path(module).read_text("utf-8") for module in _modules()).encode()
    block = b"\n".join(lyrics for _ in range(len(sources) // len(lyrics))) + sources
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block[: size - file.tell()].decode("utf-8", "ignore").encode())
            if size - file.tell() < 4:
                break


def _modules() -> list[str]:
    names = ("argparse", "ast", "calendar", "csv", "difflib", "inspect", "tarfile", "typing")
    return [str(__import__(name).__file__) for name in names]


def _rows(text: Path) -> Iterator[tuple[str, str]]:
    experiment = _experiment(text)
    cache_entries.clear()
    yield f"building a store from {text.stat().st_size / 1e9:.1f} GB of text", _building(experiment)
    prepared = prepare(resolve(seqlab.read_experiment(experiment), _plugins()))
    count = len(prepared.tokens)
    (folder,) = [place for place, known in cache_entries.stores() if known["tokens"] == count]
    yield f"opening {count:.2e} tokens, and the first batch", _opening(experiment)
    yield f"{ROWS} cold random windows", _cold(prepared.tokens, folder / "ids.bin")
    for name in ("consecutive", "random"):
        yield f"a batch of `{name}` at step 1 and at step 1e7", _later(prepared.tokens, name)
    yield "memory of 200 steps with 1e6 and with all tokens", _memory(text)
    yield "a step with the store and with the ids in memory", _steps(experiment)


def _plugins() -> seqlab.Registry:
    return seqlab.load_plugins(local=False)


def _experiment(text: Path, **corpus: Any) -> dict[str, Any]:
    return {
        "corpus": {"name": "text", "path": str(text), **corpus},
        "tokenizer": "characters",
        "sampler": {"name": "random", "batch_size": 32, "window": WINDOW},
        "model": {"embedding": 64},
        "cell": {"name": "rnn", "hidden_size": 256},
        "optimizer": {"name": "adam", "clip_norm": 1.0},
        "train": {"steps": 200},
        "observers": [],
    }


def _building(experiment: dict[str, Any]) -> str:
    """The peak of a whole process, over what it has after importing and loading plugins."""
    script = f"{IMPORTS}\nload_plugins(local=False)\nbefore = status('VmRSS')\n"
    script += f"found = {BUILD.format(experiment=experiment)}\n"
    script += "print(status('VmHWM') - before)"
    begun = time.perf_counter()
    peak = float(_process(script))
    return f"peak {peak:.0f} MB above imports, {time.perf_counter() - begun:.0f} s"


def _process(script: str) -> str:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip().splitlines()[-1]


def _opening(experiment: dict[str, Any]) -> str:
    def once() -> float:
        begun = time.perf_counter()
        resolved = resolve(seqlab.read_experiment(experiment), registry)
        prepared = prepare(resolved)
        resolved.sampler.build(prepared.tokens, 0).batch(0, 0)
        return time.perf_counter() - begun

    registry = _plugins()
    return f"{summary([once() for _ in range(REPEATS)])} s"


def _cold(tokens: seqlab.Tokens, file: Path) -> str:
    """In turn: windows, and as many bytes by `pread`, each with no page of the file at hand."""
    random = np.random.default_rng(0)
    size = tokens.ids.dtype.itemsize
    ratios, times = [], []
    with file.open("rb") as opened:
        for _ in range(REPEATS):
            some, others = random.integers(0, len(tokens) - WINDOW - 1, (2, ROWS))
            _drop(opened.fileno(), tokens)
            stored = _timed(partial(tokens.windows, some, WINDOW))
            _drop(opened.fileno(), tokens)
            plain = _timed(partial(_read, opened.fileno(), others * size, size))
            times.append(stored)
            ratios.append(stored / plain)
    return f"{summary(ratios)} × `pread`; {summary([1e3 * t for t in times])} ms"


def _read(descriptor: int, places: Any, size: int) -> None:
    for place in places.tolist():
        os.pread(descriptor, (WINDOW + 1) * size, place)


def _drop(descriptor: int, tokens: seqlab.Tokens) -> None:
    tokens.ids.__init__(tokens.ids._column, tokens.ids._renew)  # type: ignore # mapped, unread
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)


def _timed(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _later(tokens: seqlab.Tokens, name: str) -> str:
    """Both are read once before, so that the disk decides nothing."""
    sampler = _plugins().find("sampler", name).factory(tokens, 0, batch_size=32, window=WINDOW)
    places = {step: divmod(step - 1, len(sampler)) for step in (1, 10_000_000)}
    for place in places.values():
        sampler.batch(*place)
    first, last = (
        [_timed(partial(sampler.batch, *place)) for _ in range(REPEATS)]
        for place in places.values()
    )
    micro = [[1e6 * value for value in times] for times in (first, last)]
    return f"{summary(micro[0], 0)} µs; {summary(micro[1], 0)} µs"


def _memory(text: Path) -> str:
    """Peak memory of two processes that train, one of them on the first 1e6 characters."""
    peaks = []
    for corpus in ({"max_characters": 1_000_000}, {}):
        with tempfile.TemporaryDirectory() as root:
            script = f"{IMPORTS}\nseqlab.run({_experiment(text, **corpus)!r}, root={root!r})\n"
            _process(f"{script}")
            peaks.append(float(_process(f"{script}print(status('VmHWM'))")))
    return f"{peaks[0]:.0f} MB; {peaks[1]:.0f} MB; difference {peaks[1] - peaks[0]:+.0f} MB"


def _steps(experiment: dict[str, Any]) -> str:
    """In turn: a training step that reads from the store, and one from an array in memory."""
    spare_compiler()
    resolved = resolve(seqlab.read_experiment(experiment), _plugins())
    parts = [build(resolved) for _ in range(2)]
    whole = parts[1].prepared.tokens
    held = seqlab.Tokens(np.array(whole.ids), np.array(whole.documents))
    parts[1].training.sampler = resolved.sampler.build(held, 0)
    runs = [part.training.steps(10**9) for part in parts]
    for run in runs:
        for _ in range(20):
            next(run)
    times: list[list[float]] = [[], []]
    for _ in range(40 * REPEATS):
        for run, into in zip(runs, times, strict=True):
            into.append(_timed(partial(next, run)))
    chunks = [np.array(into).reshape(REPEATS, -1).sum(1) for into in times]
    ratios = (chunks[0] / chunks[1]).tolist()
    return f"{summary(ratios)} ×; {1e3 * statistics.median(times[0]):.2f} ms"


if __name__ == "__main__":
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    main()
