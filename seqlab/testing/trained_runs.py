"""A small trained run, as an exporter is given it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqlab.contracts import Document, State, TrainedRun
from seqlab.model.unroll import unroll

SIZE, HIDDEN, STEP = 11, 6, 40
SAVED = "weights-of-the-run.bin"  # what `save` writes


class _Cell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.output_size = HIDDEN
        self.inputs, self.recurrent = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, HIDDEN)

    @unroll
    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(self.inputs(inputs) + self.recurrent(state))
        return state, state


class _Model(nn.Module):
    """Maps ids (B, T) and a state to logits (B, T, V) and the state after."""

    vocabulary = SIZE

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.cell = nn.Embedding(SIZE, HIDDEN), _Cell()
        self.head = nn.Linear(HIDDEN, SIZE)

    def forward(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        hidden, after = self.cell(self.embedding(ids), state)
        return self.head(hidden), after


class _Letters:
    """A tokenizer of the first letters."""

    size, end_of_document, unknown_token = SIZE, None, None

    def fit(self, documents: Iterable[Document]) -> None:
        """Nothing is learned."""

    def encode(self, text: str) -> np.ndarray:
        return np.array([ord(letter) - ord("a") for letter in text], dtype=np.int64)

    def token_bytes(self, token: int) -> bytes:
        return bytes([ord("a") + token])

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing was learned."""


def trained_run() -> TrainedRun:
    """Return a run with a model of random weights, the same in every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _Model().eval()
    experiment = {
        "corpus": {"name": "letters", "path": "letters.txt"},
        "tokenizer": {"name": "letters"},
        "cell": {"name": "simple", "hidden_size": HIDDEN},
        "model": {"embedding": HIDDEN, "layers": 1},
        "train": {"steps": STEP, "seed": 0},
    }
    return TrainedRun(
        name="letters",
        step=STEP,
        model=model,
        tokenizer=_Letters(),
        experiment=experiment,
        description=_description(experiment),
        results={"train": {"split": "train", "step": STEP, "loss": 2.0, "perplexity": 7.389}},
        save=_save,
    )


def _description(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a `run.json`."""
    return {
        "format": 1,
        "id": "0123456789abcdef",
        "name": "letters",
        "status": "finished",
        "started": "2026-01-01T00:00:00+00:00",
        "ended": "2026-01-01T00:01:00+00:00",
        "step": STEP,
        "total_steps": STEP,
        "experiment_sha256": "0" * 64,
        "overrides": [],
        "seed": 0,
        "device": "cpu",
        "precision": "float32",
        "threads": 1,
        "parameters": 233,
        "corpus": {"name": "letters", "asked_for": "letters", "fingerprint": "0", "tokens": 100},
        "vocabulary": {"size": SIZE, "sha256": "0" * 64},
        "versions": {"seqlab": "0.2.0", "python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6"},
        "plugins": [],
        "settings": dict(experiment),
    }


def _save(folder: Path) -> None:
    (folder / SAVED).write_bytes(bytes(range(256)))
