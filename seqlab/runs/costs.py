"""What a model costs: parameters by part, state of a row, multiply-adds of a token.

Multiply-adds are those of matrix products, convolutions and attention, as torch counts them
(`torch.utils.flop_counter`, half of its number), of the references of `seqlab.kernels`: what is
done element by element is left out. Nothing is estimated: one row of the first batch is trained on,
and one token is generated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from seqlab.contracts import Batch, Sampler, State
from seqlab.kernels import use_kernels
from seqlab.model.language_model import LanguageModel
from seqlab.model.stack import Layer, Stack
from seqlab.model.state import leaves
from seqlab.model.stepping import stepper
from seqlab.runs.building import Parts
from seqlab.training.loop import Training


@dataclass(frozen=True)
class PartCost:
    """A part of a model: its class, and how many numbers of it are learned.

    `shared` are parameters that an earlier part has, too; they are counted there.
    """

    part: str
    what: str
    parameters: int
    trained: int
    bytes: int
    shared: int


@dataclass(frozen=True)
class TokenCost:
    """Multiply-adds of a token; None: the model is not trained, or does not generate."""

    forward: float | None
    backward: float | None
    generation: float | None


def part_costs(model: LanguageModel) -> list[PartCost]:
    """Return what each part of a model has: embedding, layers, head, and what else there is."""
    seen: set[int] = set()
    return [_part_cost(name, module, seen) for name, module in _parts(model)]


def _parts(model: LanguageModel) -> Iterator[tuple[str, nn.Module]]:
    for name, module in model.named_children():
        if isinstance(module, Stack):
            yield from _layers(name, module)
        elif name in ("embedding", "head") or any(True for _ in module.parameters()):
            yield name, module


def _layers(name: str, stack: Stack) -> Iterator[tuple[str, nn.Module]]:
    """The layers of a stack, and of stacks in it."""
    for number, layer in stack.named_children():
        inner = layer.cell if isinstance(layer, Layer) else layer
        if isinstance(inner, Stack):
            yield from _layers(f"{name}.{number}", inner)
        else:
            yield f"{name}.{number}", layer


def _part_cost(name: str, module: nn.Module, seen: set[int]) -> PartCost:
    all_of_it = list(module.parameters())
    own = [parameter for parameter in all_of_it if id(parameter) not in seen]
    seen.update(map(id, own))
    cell = module.cell if isinstance(module, Layer) else module
    return PartCost(
        part=name,
        what=type(cell).__name__,
        parameters=sum(parameter.numel() for parameter in own),
        trained=sum(parameter.numel() for parameter in own if parameter.requires_grad),
        bytes=sum(parameter.nbytes for parameter in own),
        shared=sum(parameter.numel() for parameter in all_of_it) - sum(p.numel() for p in own),
    )


def state_bytes(model: LanguageModel) -> int:
    """Return the size of what a row carries from step to step."""
    return sum(part.nbytes for part in leaves(_first_state(model)) if isinstance(part, Tensor))


def _first_state(model: LanguageModel) -> State:
    first = torch.zeros((1, 1), dtype=torch.int64, device=model.device)
    model.eval()
    with torch.no_grad(), use_kernels("reference"):
        _, state = model(first, None)
    return cast("State", state)


def generation_cost(model: LanguageModel) -> float | None:
    """Return the multiply-adds of one generated token; None: the model does not generate."""
    if model.reads_ahead or not model.predicts_next:
        return None
    state = _first_state(model)
    ids = torch.zeros(1, dtype=torch.int64, device=model.device)
    with torch.no_grad(), use_kernels("reference"):
        advance = stepper(model)
        with FlopCounterMode(display=False) as counter:
            advance(ids, state)
    return float(counter.get_total_flops()) / 2


@dataclass
class _Counted:
    """Counts the operations of each part of a step; it is a `Phase`."""

    operations: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        if name not in ("forward", "backward"):
            yield
            return
        with FlopCounterMode(display=False) as counter:
            yield
        self.operations[name] = self.operations.get(name, 0) + counter.get_total_flops() / 2


@dataclass(frozen=True)
class _OneRow:
    """The first row of each batch of a sampler."""

    sampler: Sampler

    def left_out(self, epoch: int) -> Sequence[range]:
        return self.sampler.left_out(epoch)

    def __len__(self) -> int:
        return len(self.sampler)

    def batch(self, epoch: int, index: int) -> Batch:
        batch = self.sampler.batch(epoch, index)
        return batch.share(0, len(batch.inputs))


def trained_one_row(parts: Parts) -> tuple[Training, TokenCost]:
    """Train for a step on one row; return the training after it, and what a token costs.

    The model and the optimizer of `parts` are changed by it.
    """
    generation = generation_cost(parts.model)
    counted, before = _Counted(), parts.training
    settings = replace(before.settings, accumulate=1, on_nonfinite="skip", compile=False)
    training = Training(
        before.model,
        _OneRow(parts.sampler),
        before.optimizer,
        before.schedule,
        sizes=parts.sizes,
        clip_norm=before.clip_norm,
        settings=settings,
        phase=counted,
    )
    if not len(parts.sampler):
        return training, TokenCost(None, None, generation)
    with use_kernels("reference"):
        next(training.steps(1))
    tokens = parts.sampler.batch(0, 0).inputs.shape[1]
    forward, backward = (counted.operations.get(k, 0) / tokens for k in ("forward", "backward"))
    return training, TokenCost(forward, backward, generation)


def tensor_bytes(value: Any) -> int:
    """Return the size of all tensors in nested mappings, lists and tuples."""
    if isinstance(value, Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(map(tensor_bytes, value.values()))
    return sum(map(tensor_bytes, value)) if isinstance(value, list | tuple) else 0
