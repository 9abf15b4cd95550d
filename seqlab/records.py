"""The records that observers receive, one for each event. Losses are nats per token."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Record:
    def as_row(self) -> dict[str, Any]:
        """Return the fields as plain values, in the order of their definition.

        What is in `parts` takes its place in the row by name.
        """
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        parts = row.pop("parts", {})
        return {**row, **parts}


@dataclass(frozen=True)
class RunStarted(Record):
    """`step` is 0, or where a resumed run continues; `samples_every` is in epochs, 0: never.

    `steps_per_epoch` is that of the first epoch; samplers may have others.

    `columns` are those that rows of `metrics.jsonl` may have. `length_in_steps` says that the run
    is as long as `train.steps`, not `train.epochs`; `has_perplexity`, that its objective predicts
    the next token.

    `id` stays the same when a run is resumed. `settings` are all that an experiment may say, filled
    in, as nested plain values: those of `run.json`.
    """

    name: str
    folder: str
    step: int
    total_steps: int
    steps_per_epoch: int
    epochs: int
    parameters: int
    samples_every: int
    columns: tuple[str, ...] = ()
    length_in_steps: bool = False
    has_perplexity: bool = True
    id: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Norms:
    """L2 norms of one parameter after a step, its gradient before clipping, and its change."""

    parameter: float
    gradient: float
    update: float


@dataclass(frozen=True)
class StepEnded(Record):
    """`epoch` counts from 1; `gradient_norm` is before clipping.

    `norms` has those of each trained parameter by its name, for observers with `wants_norms`.
    """

    step: int
    epoch: int
    loss: float
    gradient_norm: float
    lr: float
    tokens: int
    seconds: float
    norms: Mapping[str, Norms] | None = None


@dataclass(frozen=True)
class Measured(Record):
    """A row of `metrics.jsonl`.

    `perplexity` is exp(loss), None if that is too large for a float; `accuracy` is None if it is
    not measured; `tokens` is the sum of the targets' weights; `seconds` is wall time; `unknown` is
    the share of the targets, by weight, that stand for unknown text. Bits per character and byte
    are None if there are such targets, or if ids have no text. Perplexity and bits are None if the
    objective does not predict the next token; then `loss` is its own. `parts` are the parts of the
    objective, auxiliary losses of cells, and what metrics and methods of an evaluation measured.
    """

    step: int
    epoch: int
    split: str
    loss: float
    perplexity: float | None
    bits_per_character: float | None
    bits_per_byte: float | None
    accuracy: float | None
    tokens: float
    lr: float
    gradient_norm: float | None
    seconds: float
    tokens_per_second: float
    unknown: float | None = None
    parts: Mapping[str, float | None] = field(default_factory=dict)


MEASURED = tuple(f.name for f in fields(Measured) if f.name != "parts")
"""The columns that every row of `metrics.jsonl` has."""


@dataclass(frozen=True)
class EpochEnded(Measured):
    """The running mean over the targets of this epoch."""


@dataclass(frozen=True)
class Evaluated(Measured):
    """A split scored with the weights of `step`."""


@dataclass(frozen=True)
class TextGenerated(Record):
    """`text` is the prefix with its continuation."""

    step: int
    epoch: int
    prefix: str
    text: str


@dataclass(frozen=True)
class CheckpointSaved(Record):
    step: int
    path: str


@dataclass(frozen=True)
class RunEnded(Record):
    """`status` is finished, stopped, pruned, interrupted or failed; `seconds` is wall time."""

    status: str
    step: int
    folder: str
    seconds: float


@dataclass(frozen=True)
class Stop:
    """What an observer returns from an event so that the run ends: saved, as `stopped`, and why."""

    reason: str
