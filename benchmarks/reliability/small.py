"""A small experiment with everything in it that a checkpoint has to carry."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SENTENCE = "the quick brown fox jumps over the lazy dog, and so on. "


def small_experiment(folder: Path, **sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment over a text of 616 characters, which is written into `folder`.

    Dropout is on, two batches make a step, a split is held out and scored, samples are drawn, the
    learning rate moves: 7 or 8 steps are an epoch.

    Args:
        folder: where the text goes.
        sections: keys that are laid over those of the sections here.
    """
    text = folder / "text.txt"
    text.write_text(SENTENCE * 11, "utf-8")
    experiment: dict[str, Any] = {
        "corpus": {"name": "text", "path": str(text), "holdout": 0.2},
        "sampler": {"name": "consecutive", "batch_size": 4, "window": 8},
        "model": {"embedding": 6, "dropout": 0.2},
        "cell": {"name": "gru", "hidden_size": 8, "num_layers": 2, "dropout": 0.2},
        "optimizer": {"name": "adam", "clip_norm": 1.0},
        "schedule": {"name": "cosine"},
        "train": {"steps": 20, "accumulate": 2},
        "evaluation": {"every": 3, "rows": 4, "window": 16},
        "samples": {"prefixes": ["the "], "length": 4},
    }
    return experiment | {key: {**experiment[key], **value} for key, value in sections.items()}


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Say nothing: a thousand runs have a thousand things to say."""
    logger = logging.getLogger("seqlab")
    silent = logging.NullHandler()
    before = logger.propagate
    logger.addHandler(silent)
    logger.propagate = False
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.removeHandler(silent)
        logger.propagate = before
