"""The sections and keys of an experiment that the core itself reads.

They follow the rule of every component: the signature is the schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

COMPONENT_SECTIONS = (
    "corpus",
    "tokenizer",
    "sampler",
    "cell",
    "optimizer",
    "schedule",
    "decoder",
)
REQUIRED_SECTIONS = ("corpus", "sampler", "cell", "optimizer", "train")
DEFAULT_COMPONENTS = {"tokenizer": "characters", "schedule": "constant", "decoder": "greedy"}
ALWAYS_OBSERVING = "console"


def _device_name(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError("auto, cpu, mps, cuda or cuda:N")
    return name


Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True)
class CorpusKeys:
    """Keys that the core reads in every corpus section.

    Args:
        max_characters: use no more than this many characters of each split, from its start.
        if_unavailable: a corpus that takes this one's place where it cannot be had.
    """

    max_characters: Count | None = None
    if_unavailable: str | dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class OptimizerKeys:
    """Keys that the core reads in every optimizer section.

    Args:
        clip_norm: scale gradients so that their global L2 norm is at most this; null: never.
    """

    clip_norm: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """How token ids become inputs of the cell, and its outputs logits.

    Args:
        embedding: one_hot, or the size of a learned embedding.
        dropout: share of a learned embedding and of the last outputs that is zeroed in training.
        tie_weights: use the embedding's weight in the output layer too.
        layers: how many of the cell are stacked.
        residual: add the inputs of each layer to its outputs.
        norm: what normalises the inputs of each layer and of the head; null: nothing.
    """

    embedding: Literal["one_hot"] | Count = "one_hot"
    dropout: Share = 0.0
    tie_weights: bool = False
    layers: Count = 1
    residual: bool = False
    norm: Literal["layer", "rms"] | None = None


@dataclass(frozen=True, kw_only=True)
class Train:
    """How long to train, and from which random numbers.

    Args:
        epochs: how many times the sampler's epoch is trained; 0 leaves the model untrained.
        steps: stop after this many optimizer steps instead.
        seed: the number that everything random is derived from.
        device: auto, cpu, mps, cuda or cuda:N.
    """

    epochs: Annotated[int, Field(ge=0)] | None = None
    steps: Annotated[int, Field(ge=0)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    device: Annotated[str, AfterValidator(_device_name)] = "auto"


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Text that is generated while training.

    Args:
        prefixes: what each sample begins with.
        length: how many tokens are generated after each prefix.
        every: epochs between two rounds of samples; the last epoch always has one.
        at_start: also show what the untrained model says.
    """

    prefixes: list[Annotated[str, Field(min_length=1)]]
    length: Count = 50
    every: Count = 1
    at_start: bool = False


CORE_SECTIONS: dict[str, type] = {"model": Model, "train": Train, "samples": Samples}
CORE_KEYS: dict[str, type] = {"corpus": CorpusKeys, "optimizer": OptimizerKeys}
