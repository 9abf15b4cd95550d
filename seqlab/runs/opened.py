"""A run that is there: its numbers, its model, and what that has to say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from seqlab.contracts import Decoder, SearchDecoder, Tokenizer
from seqlab.errors import CheckpointError, UsageError
from seqlab.experiment import read_experiment
from seqlab.generation.generating import Generated, generate
from seqlab.model.language_model import LanguageModel
from seqlab.registry import Registry, Resolved, load_plugins, resolve
from seqlab.runs.building import build_model
from seqlab.runs.folder import ROOT, RunFolder, find_run
from seqlab.training.checkpoint import Checkpoint, checkpoint_path, load_checkpoint, steps_saved
from seqlab.training.device import pick_device


def open_run(run: str | Path, *, root: str | Path = ROOT, registry: Registry | None = None) -> Run:
    """Open a run: a folder, a name (its latest run), the beginning of an id, or `latest`.

    Raises:
        UsageError: there is no such run.
    """
    found = find_run(run, Path(root))
    found.description()
    return Run(found, registry)


class Run:
    """What one execution of an experiment left behind."""

    def __init__(self, folder: RunFolder, registry: Registry | None = None) -> None:
        self.folder = folder
        self._registry = registry

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @property
    def description(self) -> dict[str, Any]:
        """The content of `run.json`."""
        return self.folder.description()

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`."""
        return _rows(self.folder.metrics)

    @property
    def samples(self) -> list[dict[str, Any]]:
        """The rows of `samples.jsonl`."""
        return _rows(self.folder.samples)

    def generate(
        self, prefix: str | Sequence[str], *, length: int = 50, seed: int = 0
    ) -> list[Generated]:
        """Continue one prefix or several by `length` tokens, with the latest checkpoint.

        Raises:
            UsageError: a prefix is empty or cannot be encoded.
            CheckpointError: there is no checkpoint, or it is damaged.
        """
        if length < 1:
            raise UsageError(f"length should be at least 1; it is {length}")
        prefixes = [prefix] if isinstance(prefix, str) else list(prefix)
        return generate(
            self.model, self.tokenizer, self.decoder, prefixes, length=length, seed=seed
        )

    @cached_property
    def model(self) -> LanguageModel:
        """The model with the weights of the latest checkpoint."""
        device = pick_device(self._resolved.train.device)
        model = build_model(self._resolved, self.tokenizer.size, device)
        try:
            model.load_state_dict(self._checkpoint.weights)
        except RuntimeError as error:
            lines = " ".join(str(error).split())
            raise CheckpointError(f"{self.path}: the weights do not fit: {lines}") from None
        return model

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, with the vocabulary that was trained."""
        tokenizer: Tokenizer = self._resolved.tokenizer.build()
        tokenizer.load_state_dict(self._checkpoint.state["tokenizer"])
        return tokenizer

    @cached_property
    def decoder(self) -> Decoder | SearchDecoder:
        """The decoder that the experiment names."""
        decoder: Decoder | SearchDecoder = self._resolved.decoder.build()
        return decoder

    @cached_property
    def _resolved(self) -> Resolved:
        registry = self._registry if self._registry is not None else load_plugins()
        return resolve(read_experiment(self.folder.resolved), registry)

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        steps = list(steps_saved(self.folder.checkpoints))
        if not steps:
            raise CheckpointError(f"{self.path}: has no checkpoint (did the run end?)")
        return load_checkpoint(checkpoint_path(self.folder.checkpoints, steps[-1]))


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise UsageError(f"{path}: has a line that is not JSON") from None
