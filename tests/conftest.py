"""What tests share: small experiments, and the real corpora where they are at hand."""

from __future__ import annotations

from pathlib import Path
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
    monkeypatch.delenv("SEQLAB_DATA", raising=False)
    monkeypatch.setattr("seqlab_plugins.lyrics.HOME", "http://127.0.0.1:9/nobody-is-here")
    torch.set_num_threads(1)


@pytest.fixture
def text_file() -> Path:
    """Two thousand characters that have something to learn in them."""
    path = Path("text.txt")
    path.write_text("the quick brown fox jumps over the lazy dog, and so on. " * 36, "utf-8")
    return path.absolute()


@pytest.fixture
def tiny(text_file: Path) -> dict[str, Any]:
    """An experiment that trains in a moment."""
    return {
        "corpus": {"name": "text", "path": str(text_file)},
        "sampler": {"name": "consecutive", "batch_size": 4, "window": 8},
        "cell": {"name": "rnn", "hidden_size": 16},
        "optimizer": {"name": "adam", "lr": 0.01},
        "train": {"epochs": 1},
    }


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
