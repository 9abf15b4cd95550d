"""The training loop: truncated backpropagation through time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from seqlab.contracts import Sampler, State, offered
from seqlab.distributed.wishes import Wishes
from seqlab.distributed.world import ALONE, World
from seqlab.errors import Override, RunFailed
from seqlab.experiment.sections import Train
from seqlab.kernels import keep_freed_memory
from seqlab.model.language_model import LanguageModel
from seqlab.training.average import Average, in_eval_mode
from seqlab.training.carried import checked_state
from seqlab.training.closure import Closure, needs_closure, skips_by_flag, step_with_closure
from seqlab.training.device import HostCopy
from seqlab.training.diagnosis import first_nonfinite
from seqlab.training.drawing import Drawing
from seqlab.training.epochs import Epochs
from seqlab.training.gradients import DeviceBatch, Gradients, StepResult
from seqlab.training.layout import Layout, WholeParameters
from seqlab.training.metrics import TokenSizes
from seqlab.training.norms import BeforeStep
from seqlab.training.objective import ModelObjective
from seqlab.training.precision import choose_precision
from seqlab.training.profiling import Phase, unmeasured
from seqlab.training.rated_step import rated_step
from seqlab.training.schedules import wants_metric
from seqlab.training.step import Step
from seqlab.training.step_gradients import step_gradients

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Training:
    """The training loop, with everything that the next step needs."""

    model: LanguageModel  # what is trained
    sampler: Sampler
    optimizer: Optimizer  # over all parameters of the model
    schedule: LRScheduler  # stepped after each step, unless its `step` takes a metric
    _: KW_ONLY
    sizes: TokenSizes
    clip_norm: float | None
    settings: Train
    check_late: bool | None = None  # check a step while the next one runs; None: on a GPU
    phase: Phase = unmeasured  # entered around each part of a step
    wants_norms: Callable[[int], bool] = lambda _step: False  # whether a step's are measured
    world: World = ALONE
    wishes: Callable[[], Wishes] = Wishes  # told to all processes in each step
    layout: Layout | None = None  # of the parameters; None: every process has all

    def __post_init__(self) -> None:
        self.done = 0
        self.state: Any = None  # what is carried from step to step
        model, settings, sampler = self.model, self.settings, self.sampler
        self._layout = self.layout or WholeParameters(model)
        self.epochs = Epochs(sampler, settings.accumulate)
        self.average = Average(model, settings.average) if settings.average else None
        self.device = model.device
        if self.device.type == "cpu":
            keep_freed_memory()
        self.precision = choose_precision(settings.precision, self.device)
        self._step_optimizer = rated_step(self.optimizer, sampler, self.epochs, lambda: self.done)
        self._needs_closure = needs_closure(self.optimizer)
        self._steps_schedule = not wants_metric(self.schedule)
        self._unchecked: Step | None = None
        self._state_before: Any = None
        late = self.device.type == "cuda" if self.check_late is None else self.check_late
        late = late and not self._layout.is_sharded  # torch's flag is no DTensor
        self._checks_late = late and skips_by_flag(self.optimizer)
        self._objective = ModelObjective(model)
        self.columns = self._objective.columns
        gradients = Gradients(
            model,
            self._objective,
            self.sizes,
            precision=self.precision,
            clip_norm=self.clip_norm,
            compiled=settings.compile,
            guarded=self._checks_late,
            layout=self._layout,
        )
        self._parameters = gradients.parameters
        self._gradients = step_gradients(gradients, settings, self.world, lambda: self.wishes())
        self._trained = {n: p for n, p in model.named_parameters() if p.requires_grad}

    @property
    def has_other_weights(self) -> bool:
        """Whether other weights are evaluated, generated from and saved than are trained."""
        return self.average is not None or offered(self.optimizer, "eval") is not None

    def _stops(self) -> bool:
        return self._gradients.agreed.stop

    @property
    def agreed(self) -> Wishes:
        """The wishes of all processes in the step that is computed, or was last."""
        return self._gradients.agreed

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Give the model the weights to evaluate, to generate from and to save, inside a block.

        These are averaged ones, or those of an optimizer's `eval()`. Where the parameters are
        sharded, all processes enter at once.
        """
        with self._other_weights(), self._layout.gathered():
            yield

    def _other_weights(self) -> AbstractContextManager[None]:
        if self.average is not None:
            return self.average.in_place()
        if self.has_other_weights:
            return in_eval_mode(self.optimizer, self._parameters)
        return nullcontext()

    def trained(self) -> AbstractContextManager[None]:
        """Give the model the weights that are trained, in the same way."""
        return self._layout.gathered()

    def steps(self, total: int) -> Iterator[Step]:
        """Train until `total` steps are done, or a process wishes to stop; yield after each.

        Raises:
            RunFailed: the loss or a gradient is not finite, and `on_nonfinite` is `stop`; that
                step is not taken.
        """
        while self.done < total:
            epoch, group = self.epochs.place(self.done)
            self._gradients.begin()
            if self._stops():
                return
            if not self.model.training:  # train() walks over all modules, which takes time
                self.model.train()
            with self.phase("data"):
                windows = self._windows(epoch, group)
            self._state_before = self.state if windows[0].continues is not False else None
            measured = not self._layout.is_sharded and self.wants_norms(self.done + 1)
            before = BeforeStep(self._trained) if measured else None
            if self._needs_closure:
                self._gradients.agree()
                if self._stops():
                    return
                result, evaluation = self._evaluated_by_optimizer(epoch, group, windows, measured)
            else:
                self._before_gradients(epoch, group)
                given = windows, self._state_before, measured
                result, evaluation = self._gradients.compute(self.phase, *given), 1
                if self._stops():  # heard with the gradients, which are not used
                    return
            self.check()  # the previous step, while a GPU works on this one
            self.state = result.state
            step = self._unchecked = Step(
                number=self.done + 1,
                number_in_epoch=group + 1,
                epoch=epoch + 1,
                ends_epoch=group + 1 == self.epochs.steps(epoch),
                lr=float(self.optimizer.param_groups[0]["lr"]),
                report=HostCopy(result.report),
                evaluation=evaluation,
            )
            if self._checks_late:  # a fused optimizer skips the step itself
                self.optimizer.found_inf = result.nonfinite  # type: ignore[attr-defined]
                self._update(result.nonfinite == 0)
            elif step.finite:
                self._update()
            else:
                self.check()
                self.state = None
            self.done += 1
            if self._steps_schedule:
                self.schedule.step()
            yield step if before is None else replace(step, norms=before.norms(result.norms))

    def _evaluated_by_optimizer(
        self, epoch: int, group: int, windows: tuple[DeviceBatch, ...], measured: bool
    ) -> tuple[StepResult, int]:
        """Take a step of an optimizer that needs a closure.

        Returns:
            The result of the first evaluation, or of the one that was not finite, and its number.
        """

        def evaluate() -> StepResult:
            self._before_gradients(epoch, group)
            given = windows, self._state_before, measured
            return self._gradients.compute(self.phase, *given)

        closure = Closure(evaluate, list(self.model.buffers()))
        result = step_with_closure(
            self._step_optimizer,
            closure,
            self.optimizer,
            self._parameters,
            restore_state=self.settings.on_nonfinite == "skip",
        )
        return result, closure.evaluations if closure.failed else 1

    def _before_gradients(self, epoch: int, group: int) -> None:
        """Clear the gradients, and seed the random numbers that the model draws in a step."""
        for parameter in self._parameters:
            parameter.grad = None
        self._seed(epoch, group)

    def check(self) -> None:
        """Check that the latest step was finite, unless that is already known."""
        step, self._unchecked = self._unchecked, None
        if step is None or step.finite:
            return
        message = step.problem
        if self.settings.on_nonfinite == "stop":
            cause = f"; {cause}" if (cause := self._diagnosis(step)) else ""
            message = f"{message}{cause}. It was not taken; a smaller lr or a clip_norm may help."
            raise RunFailed(message, resume_with=[Override("train.on_nonfinite=skip")])
        log.warning("%s. It is skipped, and the state starts afresh.", message.capitalize())

    def _diagnosis(self, step: Step) -> str:
        """Name the first part of the model that was not finite; empty where it is not known."""
        if self._checks_late or step.evaluation > 1:  # the weights were others
            return ""
        place = step.epoch - 1, step.number_in_epoch - 1
        self._seed(*place)
        parts = self._gradients.parts(self._windows(*place), self._state_before)
        model = self._layout.whole
        with self._layout.gathered():
            causes = (first_nonfinite(model, *part) for part in parts if len(part[0][0].inputs))
            return next(filter(None, causes), "")

    def _windows(self, epoch: int, group: int) -> tuple[DeviceBatch, ...]:
        """Draw the batches of a step."""
        seed = self.settings.seed
        drawing = Drawing(self.sampler, self.epochs, self._objective, seed, self.device)
        return drawing.windows(epoch, group)

    def _seed(self, epoch: int, group: int) -> None:
        """Seed the random numbers that the model draws in a step."""
        self._gradients.reseed(self.epochs.number(epoch, group * self.settings.accumulate))

    def _update(self, finite: Tensor | None = None) -> None:
        """Step the optimizer, unless it has done so while it evaluated, and the average."""
        with self.phase("optimizer"):
            if not self._needs_closure:
                self._step_optimizer()
            if self.average is not None:
                self.average.update(finite)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step needs except the weights.

        On several processes all call it at once, and the first one has it whole.
        """
        schedule = self.schedule.state_dict()
        return {
            "done": self.done,
            "state": self.whole_state(),
            "optimizer": self._layout.full(self.optimizer.state_dict()),
            # torch adds functions to the state of some schedules
            "schedule": {k: v for k, v in schedule.items() if not callable(v)},
            "average": self.average and self._layout.full(self.average.state_dict()),
        }

    def whole_state(self) -> State | None:
        """Return what is carried for all rows; on several processes all call it at once."""
        return self._gradients.whole(self.state)

    def load_state_dict(self, state: Mapping[str, Any], total_steps_changed: bool = False) -> None:
        """Restore what `state_dict` returned.

        If the total of steps changed, the schedule is not loaded but stepped from the start, as
        if it had been built for that total.
        """
        first_lrs = self.schedule.get_last_lr()
        self.done = state["done"]
        carried = checked_state(state["state"], self._objective, self._layout.whole)
        self.state = self._gradients.own(carried)
        self.optimizer.load_state_dict(self._layout.own(state["optimizer"]))
        if self.average is not None and state["average"]:
            self.average.load_state_dict(self._layout.own(state["average"]))
        if not total_steps_changed or not self._steps_schedule:
            self.schedule.load_state_dict(state["schedule"])
            return
        self.optimizer._opt_called = True  # type: ignore[attr-defined] # or the schedule warns
        for group, lr in zip(self.optimizer.param_groups, first_lrs, strict=True):
            group["lr"] = lr
        for _ in range(self.done):
            self.schedule.step()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        self._layout.load(weights)
