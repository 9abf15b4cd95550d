"""A resolved experiment in -> every part of a run, each built once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from seqlab.contracts import Cell, Decoder, Sampler, SearchDecoder
from seqlab.data.preparing import Prepared, prepare
from seqlab.errors import PluginError
from seqlab.model.language_model import LanguageModel
from seqlab.randomness import derive, reseed
from seqlab.registry import Bound, Resolved
from seqlab.training.device import pick_device
from seqlab.training.eager import spare_compiler


@dataclass(frozen=True)
class Parts:
    """What a run is made of; `total_steps` is how many optimizer steps the experiment asks for."""

    prepared: Prepared
    sampler: Sampler
    model: LanguageModel
    optimizer: Optimizer
    schedule: LRScheduler
    decoder: Decoder | SearchDecoder
    device: torch.device
    total_steps: int


def build(resolved: Resolved) -> Parts:
    """Open the corpus, fit the tokenizer, and build everything that stands on them.

    Raises:
        SeqlabError: the first part that cannot be built says why.
    """
    device = pick_device(resolved.train.device)
    prepared = prepare(resolved)
    sampler: Sampler = resolved.sampler.build(prepared.tokens, resolved.train.seed)
    model = build_model(resolved, prepared.tokenizer.size, device)
    spare_compiler()
    optimizer: Optimizer = resolved.optimizer.build(list(model.named_parameters()))
    total_steps = count_steps(resolved, sampler)
    return Parts(
        prepared=prepared,
        sampler=sampler,
        model=model,
        optimizer=optimizer,
        schedule=resolved.schedule.build(optimizer, total_steps),
        decoder=resolved.decoder.build(),
        device=device,
        total_steps=total_steps,
    )


def build_model(resolved: Resolved, vocabulary: int, device: torch.device) -> LanguageModel:
    """Build the model with the weights that the seed gives it."""
    reseed(derive(resolved.train.seed, "weights"), torch.device("cpu"))
    return LanguageModel(
        vocabulary, lambda size: _build_cell(resolved.cell, size), resolved.model
    ).to(device)


def count_steps(resolved: Resolved, sampler: Sampler) -> int:
    """How many optimizer steps the experiment asks for."""
    train = resolved.train
    return train.steps if train.steps is not None else (train.epochs or 0) * len(sampler)


def _build_cell(bound: Bound, input_size: int) -> Cell:
    cell = bound.build(input_size)
    who = f"cell '{bound.component.name}' of plugin '{bound.component.plugin}'"
    if not isinstance(cell, nn.Module):
        raise PluginError(f"{who} should be a torch.nn.Module; it is a {type(cell).__name__}")
    if not isinstance(getattr(cell, "output_size", None), int):
        raise PluginError(f"{who} should have an integer `output_size`")
    return cell  # type: ignore[return-value] # an nn.Module that has what a cell promises
