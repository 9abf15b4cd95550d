"""Build a component of any kind as a run would, with arguments that are made up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from seqlab.data.tokens import Tokens
from seqlab.testing.decoders.inputs import ToyTokenizer
from seqlab.testing.parts import INPUT_SIZE
from seqlab.testing.promises import Subject
from seqlab.testing.vocabularies import letters
from seqlab.training.eager_optimizers import spare_compiler

TOKENS = 10_000
STEPS = 100
STEPS_OF_AN_EPOCH = 7


def build(subject: Subject) -> Any:
    """Call a factory with the arguments that seqlab supplies to its kind.

    Raises:
        NotApplicable: an option without a default was not given.
    """
    vocabulary = letters()
    offered = {
        "vocabulary": vocabulary,
        "hidden_size": INPUT_SIZE,
        "tokenizer": ToyTokenizer(vocabulary.size),
        "epoch_of": epoch_of,
        "training": lambda: _tokens_and_seed()[0],
    }
    return subject.build(*_ARGUMENTS.get(subject.kind, tuple)(), **offered)


def epoch_of(step: int) -> int:
    """Say of which epoch a step is, both from 0."""
    return step // STEPS_OF_AN_EPOCH


def _tokens_and_seed() -> tuple[Any, ...]:
    return Tokens(np.arange(TOKENS) % 50, np.zeros(1, np.int64), None), 0


def _parameters() -> tuple[Any, ...]:
    spare_compiler()
    return ([("weight", torch.nn.Parameter(torch.ones(4, 3)))],)


def _optimizer_and_steps() -> tuple[Any, ...]:
    ((named,),) = _parameters()
    return torch.optim.SGD([named[1]], lr=0.1), STEPS


_ARGUMENTS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "sampler": _tokens_and_seed,
    "cell": lambda: (INPUT_SIZE,),
    "embedding": lambda: (letters(),),
    "head": lambda: (INPUT_SIZE, letters()),
    "optimizer": _parameters,
    "schedule": _optimizer_and_steps,
}
