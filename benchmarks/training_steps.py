"""A step of seqlab's own loop, of whatever cell and sizes, for the benchmarks of steps.

Shapes: as `benchmarks.peers` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import nn

import seqlab
from benchmarks.interleaved import Step
from benchmarks.plain_model import language_model
from seqlab.distributed.world import ALONE, World
from seqlab.experiment.sections import Train
from seqlab.training.loop import Training
from seqlab.training.metrics import TokenSizes
from seqlab.training.profiling import Phase, unmeasured

REGISTRY = seqlab.load_plugins(local=False)


def training_step(
    cell: str | Callable[..., nn.Module], model: Mapping[str, Any] | None = None, **options: Any
) -> Step:
    """Return what takes one step of seqlab's loop; the options are those of `training_loop`."""
    return partial(next, training_loop(cell, model, **options).steps(10**9))


def training_loop(
    cell: str | Callable[..., nn.Module],
    model: Mapping[str, Any] | None = None,
    *,
    hidden: int = 256,
    vocabulary: int = 1027,
    batch: int = 32,
    window: int = 35,
    precision: str = "float32",
    ids: Any = None,
    device: str = "cpu",
    cuda_graphs: bool = False,
    shards: int = 1,
    world: World = ALONE,
    phase: Phase = unmeasured,
) -> Training:
    """Return seqlab's loop, with Adam and clipping."""
    torch.manual_seed(0)
    make = REGISTRY.find("cell", cell).factory if isinstance(cell, str) else cell
    build = cast("Callable[[int], seqlab.Cell]", partial(make, hidden_size=hidden))
    lm = language_model(vocabulary, build, **(model or {})).to(device)
    ids = random_ids(vocabulary) if ids is None else ids
    tokens = seqlab.Tokens(ids, np.zeros(1, dtype=np.int64))
    sampler = REGISTRY.find("sampler", "consecutive").factory(
        tokens, 0, batch_size=batch, window=window
    )
    optimizer = REGISTRY.find("optimizer", "adam").factory(list(lm.named_parameters()), lr=1e-3)
    schedule = REGISTRY.find("schedule", "constant").factory(optimizer, 10**9)
    sizes = TokenSizes(torch.ones(3, vocabulary, dtype=torch.float64, device=device))
    settings = Train(
        steps=10**9,
        precision=precision,  # type: ignore[arg-type] # a literal
        cuda_graphs=cuda_graphs,
        shards=shards,
    )
    parts = (lm, sampler, optimizer, schedule)
    return Training(
        *parts, sizes=sizes, clip_norm=1e-2, settings=settings, phase=phase, world=world
    )


def random_ids(vocabulary: int, count: int = 200_000) -> Any:
    """Token ids, each as likely."""
    return np.random.default_rng(0).integers(0, vocabulary, count).astype(np.uint32)
