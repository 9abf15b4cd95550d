"""What tests share: small experiments, and the real corpora where they are at hand."""

from __future__ import annotations

import importlib
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch

import seqlab

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
ALPHABET = "abcdefghijklmnopqrstuvwxyz ,."


@pytest.fixture(autouse=True)
def _away_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own, finds no lyrics by chance, and asks no network."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SEQLAB_DATA", raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nobody answers
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes a third of a short run; tests/reliability watches processes that do wait."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(autouse=True)
def _on_a_cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digits that tests expect are a CPU's; those of a GPU have a file of their own."""
    if request.path.name != "test_on_a_gpu.py":
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # for processes that a test starts


def _tiny(path: Path) -> dict[str, Any]:
    """An experiment on a text, which it writes."""
    path.write_text("the quick brown fox jumps over the lazy dog, and so on. " * 36, "utf-8")
    return {
        "corpus": {"name": "text", "path": str(path.absolute())},
        "sampler": {"name": "consecutive", "batch_size": 4, "window": 8},
        "cell": {"name": "rnn", "hidden_size": 16},
        "optimizer": {"name": "adam", "lr": 0.01},
        "train": {"epochs": 1},
    }


@pytest.fixture
def tiny() -> dict[str, Any]:
    """An experiment that trains in a moment."""
    return _tiny(Path("text.txt"))


@pytest.fixture
def text_file(tiny: dict[str, Any]) -> Path:
    """Two thousand characters that have something to learn in them."""
    return Path(tiny["corpus"]["path"])


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory, registry: seqlab.Registry) -> Path:
    """A finished run of the tiny experiment with the decoder `sample`, to be copied."""
    folder = tmp_path_factory.mktemp("once")
    experiment = _tiny(folder / "text.txt") | {"decoder": "sample"}
    experiment["train"]["device"] = "cpu"
    with pytest.MonkeyPatch.context() as own:
        own.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return seqlab.run(experiment, run_dir=folder / "here", registry=registry).path


@pytest.fixture
def make_run(trained_once: Path) -> Callable[..., Path]:
    """Copy the finished run to a folder, and change what its files say; later ones are younger."""
    made: list[Path] = []

    def make_run(
        path: str,
        settings: dict[str, Any] | None = None,
        losses: Sequence[float] = (),
        **known: Any,
    ) -> Path:
        folder = Path(shutil.copytree(trained_once, path))
        made.append(folder)
        description = json.loads((folder / "run.json").read_text("utf-8"))
        del description["reached"]  # as before 0.2; and the rows below are others
        for key, value in (settings or {}).items():
            section, _, option = key.partition(".")
            description["settings"][section][option] = value
        description |= {"id": f"{len(made):016x}", "name": folder.parent.name} | known
        (folder / "run.json").write_text(json.dumps(description), "utf-8")
        row = json.loads((folder / "metrics.jsonl").read_text("utf-8").splitlines()[0])
        rows = [row | {"loss": loss, "perplexity": math.exp(loss)} for loss in losses] or [row]
        (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        os.utime(folder / "experiment.yaml", (len(made), len(made)))
        return folder

    return make_run


@pytest.fixture
def drop() -> Callable[..., None]:
    """Drop a file into `plugins/` of the working folder, which is where it is looked for."""

    def drop(source: str | bytes, name: str = "dropped") -> None:
        path = Path("plugins", f"{name}.py")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else dedent(source).encode())

    return drop


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a package of one module with one entry point, as pip would."""
    before = set(sys.modules)

    def install(
        name: str, source: str, point: str = "", version: str = "1.0", group: str = "seqlab"
    ) -> None:
        site = tmp_path / f"site-{name}"
        info = site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (site / f"{name}.py").write_text(dedent(source), "utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{point or f'{name} = {name}'}\n")
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()

    yield install
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[module]


@pytest.fixture(scope="session")
def registry() -> seqlab.Registry:
    """What is installed, without dropped-in files."""
    return seqlab.load_plugins(local=False)


@pytest.fixture
def lyrics(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the real lyrics."""
    if not (SHARED / "jaychou_lyrics.txt.zip").is_file():
        pytest.skip("the real lyrics are not ours to ship; they are not on this machine")
    monkeypatch.setenv("SEQLAB_DATA", str(SHARED))
    return SHARED


@pytest.fixture
def full(text_file: Path) -> dict[str, Any]:
    """An experiment with everything on: it evaluates, samples, saves, drops out, averages."""
    return _full(text_file)


@pytest.fixture(scope="session")
def full_once(tmp_path_factory: pytest.TempPathFactory, registry: seqlab.Registry) -> Path:
    """A finished run of the full experiment, to be copied."""
    folder = tmp_path_factory.mktemp("full")
    _tiny(folder / "text.txt")
    experiment = _full(folder / "text.txt")
    experiment["train"]["device"] = "cpu"
    torch.set_num_threads(1)  # as in a test: a run remembers their number
    with pytest.MonkeyPatch.context() as own:
        own.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return seqlab.run(experiment, run_dir=folder / "whole", registry=registry).path


def _full(text: Path) -> dict[str, Any]:
    return {
        "corpus": {"name": "text", "path": str(text), "max_characters": 300, "holdout": 0.2},
        "sampler": {"name": "consecutive", "batch_size": 4, "window": 4},
        "model": {"embedding": 8, "dropout": 0.3, "layers": 2},
        "cell": {"name": "gru", "hidden_size": 8},
        "optimizer": {"name": "adam", "lr": 0.01, "clip_norm": 1.0},
        "evaluation": {"every": 3},
        "samples": {"prefixes": ["the"], "length": 4},
        "train": {
            "steps": 20,  # an epoch has seven
            "accumulate": 2,
            "average": 0.9,
            "checkpoint": {"every": 5, "keep": 99},
            "stop": {"patience": 50},
        },
    }


@pytest.fixture
def facts() -> Callable[[seqlab.Run], dict[str, Any]]:
    """Return all that a run came to, to the bit, but for what a clock decides."""

    def facts(run: seqlab.Run) -> dict[str, Any]:
        saved = run.checkpoint
        clock = {"seconds", "tokens_per_second"}
        state = {k: v for k, v in saved.state.items() if k not in {"minutes", "files"}}
        return {
            "metrics": [{k: v for k, v in row.items() if k not in clock} for row in run.metrics],
            "samples": run.samples,
            "weights": _bits(saved.weights),
            "state": _bits(state | {"epoch": state["epoch"]["sums"]}),
        }

    return facts


def _bits(tree: Any) -> Any:
    """The tree with every tensor as its type, shape and bytes."""
    if isinstance(tree, torch.Tensor):
        flat = tree.detach().reshape(-1).contiguous().view(torch.uint8)
        return str(tree.dtype), tuple(tree.shape), flat.numpy().tobytes()
    if isinstance(tree, dict):
        return {key: _bits(value) for key, value in tree.items()}
    return [_bits(item) for item in tree] if isinstance(tree, list | tuple) else tree
