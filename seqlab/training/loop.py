"""Batches in -> a trained model out, by truncated backpropagation through time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from seqlab.contracts import Batch, Sampler, State
from seqlab.errors import RunFailed
from seqlab.model.language_model import LanguageModel
from seqlab.model.state import carry
from seqlab.randomness import derive, reseed
from seqlab.training.eager import eager_step
from seqlab.training.loss import nats


@dataclass(frozen=True)
class Step:
    """What one optimizer step has to report.

    `number` counts all steps from 1, `epoch` from 1; `nats` is the weighted sum over the targets,
    `weight` the sum of their weights, `characters` how many characters begin in them.
    """

    number: int
    epoch: int
    ends_epoch: bool
    nats: Tensor
    weight: Tensor
    characters: Tensor
    gradient_norm: float
    lr: float


class Training:
    """The loop's position and everything that the next step needs.

    Args:
        model: in which the parameters are trained.
        sampler: asked for every batch by epoch and index.
        optimizer: over all parameters of the model.
        schedule: stepped after each step of the optimizer.
        characters: (V,) how many characters begin in each token.
        clip_norm: largest global L2 norm of the gradients; None: they are not clipped.
        seed: before each batch the generators are seeded from it and the step's number.
    """

    def __init__(
        self,
        model: LanguageModel,
        sampler: Sampler,
        optimizer: Optimizer,
        schedule: LRScheduler,
        *,
        characters: Tensor,
        clip_norm: float | None,
        seed: int,
    ) -> None:
        self.model = model
        self.sampler = sampler
        self.optimizer = optimizer
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.seed = seed
        self.done = 0
        self.state: State | None = None
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._take_step = eager_step(optimizer)
        self._device = model.head.weight.device
        self._characters = characters.to(self._device)

    def steps(self, total: int) -> Iterator[Step]:
        """Train until `total` steps are done, one at each turn.

        Raises:
            RunFailed: the loss or a gradient is not finite; that step is not taken.
        """
        while self.done < total:
            yield self._step()

    def _step(self) -> Step:
        epoch, index = divmod(self.done, len(self.sampler))
        batch = self._on_device(self.sampler.batch(epoch, index))
        reseed(derive(self.seed, "step", self.done), self._device)
        self.model.train()
        logits, after = self.model(batch.inputs, carry(self.state, batch.continues))
        total = nats(logits, batch.targets, batch.weights)
        weight = self._weight(batch)
        for parameter in self._parameters:
            parameter.grad = None
        (total / weight.clamp(min=1e-12)).backward()  # type: ignore[no-untyped-call] # torch's own
        lr = float(self.optimizer.param_groups[0]["lr"])
        norm = self._clip(total.detach(), lr, index)
        self._take_step()
        self.schedule.step()
        self.done += 1
        self.state = after
        ends = index + 1 == len(self.sampler)
        spoken = self._characters[batch.targets]
        counted = spoken.sum() if batch.weights is None else spoken[batch.weights > 0].sum()
        return Step(self.done, epoch + 1, ends, total.detach(), weight, counted, norm, lr)

    def _on_device(self, batch: Batch) -> Batch:
        """Move what the model sees; `continues` is read by the loop and stays on the CPU."""
        weights = None if batch.weights is None else batch.weights.to(self._device)
        inputs, targets = batch.inputs.to(self._device), batch.targets.to(self._device)
        return Batch(inputs, targets, batch.continues, weights)

    def _weight(self, batch: Batch) -> Tensor:
        if batch.weights is not None:
            return batch.weights.sum(dtype=torch.float64)
        return torch.tensor(batch.targets.numel(), dtype=torch.float64, device=self._device)

    def _clip(self, total: Tensor, lr: float, index: int) -> float:
        """Measure the global norm once, check that it is finite, and scale the gradients."""
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if not (math.isfinite(norm) and math.isfinite(total)):
            raise RunFailed(
                f"step {self.done + 1} (batch {index + 1} of its epoch) is not finite: the sum of"
                f" the loss is {float(total):g}, the gradient norm {float(norm):g}, the learning"
                f" rate {lr:g}. The step was not taken; a smaller lr or a clip_norm may help."
            )
        if self.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self._parameters, self.clip_norm, norm)
        return float(norm)
