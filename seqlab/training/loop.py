"""Batches in -> a trained model out, by truncated backpropagation through time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from seqlab.contracts import Batch, Sampler, State
from seqlab.data.tokens import on_device
from seqlab.errors import RunFailed
from seqlab.experiment.sections import Train
from seqlab.kernels import keep_freed_memory
from seqlab.model.language_model import LanguageModel
from seqlab.model.state import agreement, map_state
from seqlab.randomness import derive, reseed
from seqlab.training.average import Average
from seqlab.training.cuda_graphs import Replayed
from seqlab.training.device import Sent
from seqlab.training.diagnosis import first_nonfinite
from seqlab.training.eager_optimizers import eager_step
from seqlab.training.gradients import Gradients, Window
from seqlab.training.metrics import TokenSizes
from seqlab.training.precision import choose_precision
from seqlab.training.profiling import Phase, unmeasured
from seqlab.training.step import Step

log = logging.getLogger(__name__)


class Training:
    """The loop's position and everything that the next step needs.

    Args:
        model: in which the parameters are trained.
        sampler: asked for every batch by epoch and index.
        optimizer: over all parameters of the model.
        schedule: stepped after each step of the optimizer, unless its `step` wants a metric.
        sizes: of every token, for bits per character and byte.
        clip_norm: largest global L2 norm of the gradients; None: they are not clipped.
        settings: the `train` section.

    `phase` is entered around each part of a step: by default it measures nothing.
    """

    phase: Phase = staticmethod(unmeasured)

    def __init__(
        self,
        model: LanguageModel,
        sampler: Sampler,
        optimizer: Optimizer,
        schedule: LRScheduler,
        *,
        sizes: TokenSizes,
        clip_norm: float | None,
        settings: Train,
    ) -> None:
        self.model = model
        self.sampler = sampler
        self.optimizer = optimizer
        self.schedule = schedule
        self.settings = settings
        self.done = 0
        self.state: State | None = None
        self.average = Average(model, settings.average) if settings.average else None
        self.device = model.head.weight.device
        if self.device.type == "cpu":
            keep_freed_memory()
        self.precision = choose_precision(settings.precision, self.device)
        self._take_step = eager_step(optimizer)
        self._steps_schedule = not wants_metric(schedule)
        self._unread: Step | None = None
        self._before: State | None = None
        self._reads_late = _can_read_late(self.device, optimizer)
        gradients = Gradients(
            model,
            sizes,
            precision=self.precision,
            clip_norm=clip_norm,
            compiled=settings.compile,
            guarded=self._reads_late,
        )
        self._parameters = gradients.parameters
        replayed = settings.cuda_graphs and self.device.type == "cuda"
        self._gradients = Replayed(gradients, self._parameters) if replayed else gradients

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch; the last one may have fewer batches to accumulate."""
        return -(-len(self.sampler) // self.settings.accumulate)

    def steps(self, total: int) -> Iterator[Step]:
        """Train until `total` steps are done, one at each turn.

        Raises:
            RunFailed: the loss or a gradient is not finite, and `on_nonfinite` says stop; that
                step is not taken.
        """
        while self.done < total:
            yield self._step()

    def check(self) -> None:
        """Read whether the latest step was finite, if that is still to be done.

        Raises:
            RunFailed: it was not, and `on_nonfinite` says stop.
        """
        step, self._unread = self._unread, None
        if step is None or step.finite:
            return
        said = (
            f"step {step.number} (number {step.place} of epoch {step.epoch}) is not finite: its"
            f" loss is {step.loss:g}, the gradient norm {step.gradient_norm:g}, the learning"
            f" rate {step.lr:g}"
        )
        if self.settings.on_nonfinite == "stop":
            began = f"; {where}" if (where := self._where_it_began(step)) else ""
            message = f"{said}{began}. It was not taken; a smaller lr or a clip_norm may help."
            raise RunFailed(message, resume_with="--set train.on_nonfinite=skip")
        log.warning("%s. It is skipped, and the state starts afresh.", said.capitalize())

    def _where_it_began(self, step: Step) -> str:
        """Name the part of the model that was not finite; on a GPU the next step is on its way."""
        if self._reads_late:
            return ""
        windows = self._windows(step.epoch - 1, step.place - 1)
        return first_nonfinite(self.model, windows, self._before)

    def _step(self) -> Step:
        epoch, group = divmod(self.done, self.steps_per_epoch)
        if not self.model.training:  # the walk over its modules is not free
            self.model.train()
        for parameter in self._parameters:
            parameter.grad = None
        with self.phase("data"):
            windows = self._windows(epoch, group)
        before = self.state if windows[0].continues is not False else None
        self._before = before
        found = self._gradients(self.phase, windows, before)
        self.check()  # the step before: a GPU has this one to go on with
        self.state = found.state
        step = Step(
            number=self.done + 1,
            place=group + 1,
            epoch=epoch + 1,
            ends_epoch=group + 1 == self.steps_per_epoch,
            lr=float(self.optimizer.param_groups[0]["lr"]),
            report=Sent(found.report),
        )
        self._update(step, found.wrong)
        self.done += 1
        if self._steps_schedule:
            self.schedule.step()
        return step

    def _windows(self, epoch: int, group: int) -> tuple[Window, ...]:
        """Draw a group of batches, and seed what the model draws for them."""
        first = group * self.settings.accumulate
        indices = range(first, min(first + self.settings.accumulate, len(self.sampler)))
        windows = tuple(self._window(self.sampler.batch(epoch, index)) for index in indices)
        number = epoch * len(self.sampler) + first
        reseed(derive(self.settings.seed, "batch", number), self.device)
        return windows

    def _window(self, batch: Batch) -> Window:
        inputs, targets, continues, weights = on_device(batch, self.device)
        said = agreement(continues)
        said = said.to(self.device, non_blocking=True) if isinstance(said, Tensor) else said
        return Window(inputs, targets, said, weights)

    def _update(self, step: Step, wrong: Tensor) -> None:
        """Take the step if it is finite; else leave the weights and start the state afresh."""
        self._unread = step
        if self._reads_late:
            self.optimizer.found_inf = wrong  # type: ignore[attr-defined] # of a fused one
            self._advance(wrong == 0)
        elif step.finite:
            self._advance()
        else:
            self.check()
            self.state = None

    def _advance(self, taken: Tensor | None = None) -> None:
        with self.phase("optimizer"):
            self._take_step()
            if self.average is not None:
                self.average.update(taken)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step needs, but for the weights."""
        average = self.average
        return {
            "done": self.done,
            "state": self.state,
            "optimizer": self.optimizer.state_dict(),
            "schedule": _plain_values(self.schedule.state_dict()),
            "average": average and {"updates": average.updates, "tensors": average.tensors},
        }

    def load_state_dict(self, state: Mapping[str, Any], total_steps_changed: bool = False) -> None:
        """Come back to where `state_dict` was taken.

        A schedule over another number of steps is stepped up to here from its first rates, instead
        of loaded: it is then where it would be had it known from the start.
        """
        rates = self.schedule.get_last_lr()
        self.done = state["done"]
        self.state = self._moved(state["state"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None and state["average"]:
            self.average.updates = state["average"]["updates"]
            for name, tensor in state["average"]["tensors"].items():
                self.average.tensors[name].copy_(tensor)
        if not total_steps_changed or not self._steps_schedule:
            self.schedule.load_state_dict(state["schedule"])
            return
        self.optimizer._opt_called = True  # type: ignore[attr-defined] # or the schedule warns
        for group, first in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = first
        for _ in range(self.done):
            self.schedule.step()

    def _moved(self, state: State | None) -> State | None:
        """Bring a carried state to the model's device, if it is one of this model's."""
        if state is None:
            return None
        one = torch.zeros(1, 1, dtype=torch.int64, device=self.device)
        with torch.no_grad():
            fresh = self.model.eval()(one, None)[1]
        if _form(state) != _form(fresh):
            raise ValueError("the carried state is not one of this model's")
        return map_state(lambda tensor: tensor.to(self.device), state)


def _form(state: State) -> object:
    """How a state is nested, and the shape of each row of its tensors."""
    if isinstance(state, Tensor):
        return tuple(state.shape[1:])
    return [_form(part) for part in state] if isinstance(state, tuple) else state


def wants_metric(schedule: LRScheduler) -> bool:
    """Whether a schedule is stepped with the loss of an evaluation, as torch's plateau is."""
    return "metrics" in type(schedule).step.__code__.co_varnames


def _can_read_late(device: torch.device, optimizer: Optimizer) -> bool:
    """Whether a step's flag may be read when the next one is on its way.

    On a GPU, to read it at once is to wait for the step. A fused kernel of torch's can be told on
    the device to do nothing if the step was not finite.
    """
    return device.type == "cuda" and is_fused(optimizer)


def is_fused(optimizer: Optimizer) -> bool:
    """Whether every group is updated by a kernel that can be told to do nothing."""
    return all(group.get("fused") for group in optimizer.param_groups)


def _plain_values(state: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule's state without what torch puts there that is neither number nor text."""
    return {key: value for key, value in state.items() if not callable(value)}
