"""The promises of an optimizer: every planted mistake is caught, and what is right passes."""

from __future__ import annotations

import pytest
import torch
from planted_late import checks_that_catch
from torch.optim import Optimizer

from seqlab.testing import Broken, NotApplicable, Subject, look_at, optimizers, verify
from seqlab.testing.collection import checks_in


class Good(Optimizer):
    """Gradient descent with momentum, as one would write it: what the planted ones are made of.

    Args:
        lr: how far a step goes.
        momentum: how much of the last update each step keeps.
    """

    def __init__(self, parameters, *, lr: float = 0.05, momentum: float = 0.9) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, group)

    def buffer(self, p):
        return self.state[p].setdefault("update", torch.zeros_like(p))

    def move(self, p, group):
        update = self.buffer(p).mul_(group["momentum"]).add_(p.grad)
        p.add_(update, alpha=-group["lr"])


class NoOptimizer:
    """A plain loop, which torch's schedules and a checkpoint cannot take."""

    def __init__(self, parameters):
        self.param_groups = [{"params": [p for _, p in parameters], "lr": 0.1}]

    def step(self):
        for p in self.param_groups[0]["params"]:
            p.data -= 0.1 * p.grad


class ForgetsVectors(Good):
    def __init__(self, parameters):
        super().__init__([(name, p) for name, p in parameters if p.dim() > 1])


class RateUnderAnotherName(Good):
    def __init__(self, parameters):
        super().__init__(parameters)
        for group in self.param_groups:
            group["rate"] = group.pop("lr")


class HoldsACopy(Good):
    """As one that keeps weights in double precision, and never writes them back."""

    def __init__(self, parameters):
        super().__init__([(name, p.detach().clone()) for name, p in parameters])


class GoesUphill(Good):
    def move(self, p, group):
        p.add_(p.grad, alpha=group["lr"])


class MovesTheFirstAlone(Good):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                self.move(p, group)
                break


class WantsAClosure(Good):
    def step(self, closure):
        closure()
        super().step()


class CapturesGradients(Good):
    """Takes each gradient when `backward` made it, before it is clipped."""

    def __init__(self, parameters):
        super().__init__(parameters)
        self.captured = {}
        for _, p in parameters:
            p.register_post_accumulate_grad_hook(self.capture)

    def capture(self, p):
        self.captured[p] = p.grad.clone()

    def move(self, p, group):
        p.add_(self.captured.get(p, p.grad), alpha=-group["lr"])


class StepsInBackward(Good):
    """Saves memory by moving each weight as soon as it has a gradient."""

    def __init__(self, parameters):
        super().__init__(parameters)
        for _, p in parameters:
            p.register_post_accumulate_grad_hook(self.move_at_once)

    @torch.no_grad()
    def move_at_once(self, p):
        self.move(p, self.param_groups[0])


class KeepsMomentumToItself(Good):
    """Not in `state`, so not in `state_dict`."""

    def __init__(self, parameters):
        super().__init__(parameters)
        self.buffers = {}

    def buffer(self, p):
        return self.buffers.setdefault(p, torch.zeros_like(p))


class CountsStepsToItself(Good):
    def __init__(self, parameters):
        super().__init__(parameters)
        self.count = 0

    def move(self, p, group):
        self.count += 1
        p.add_(p.grad, alpha=-group["lr"] / self.count**0.5)


class LoadsWithItsOwnRate(Good):
    def load_state_dict(self, state_dict):
        rates = [group["lr"] for group in self.param_groups]
        super().load_state_dict(state_dict)
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate


class StateIsNoPlainValue(Good):
    def state_dict(self):
        return {**super().state_dict(), "device": torch.device("cpu")}


class NeedsEveryGradient(Good):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                self.move(p, group)


class DecaysWithoutGradient(Good):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] * 0.01)
        super().step()


class FallsOnByMomentum(Good):
    """A weight that has lost its gradient goes on as before."""

    @torch.no_grad()
    def step(self, closure=None):
        super().step()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None and p in self.state:
                    p.add_(self.state[p]["update"], alpha=-group["lr"])


class AddsNoise(Good):
    def move(self, p, group):
        super().move(p, group)
        p.add_(torch.randn_like(p), alpha=1e-4)


class StartsItsMomentumByChance(Good):
    def buffer(self, p):
        return self.state[p].setdefault("update", torch.rand_like(p) * 1e-3)


class DecaysInTheGradient(Good):
    def move(self, p, group):
        p.grad.add_(p, alpha=0.01)
        super().move(p, group)


class ClearsGradients(Good):
    def move(self, p, group):
        super().move(p, group)
        p.grad = None


class ClipsOnceMore(Good):
    def move(self, p, group):
        p.grad = p.grad.clamp(-1, 1)
        super().move(p, group)


class SaysFused(Good):
    """Has a group that says so, and steps all the same."""

    def __init__(self, parameters):
        super().__init__(parameters)
        for group in self.param_groups:
            group["fused"] = True


class SkipsWeightsAlone(SaysFused):
    """What it is told comes too late for its momentum."""

    def move(self, p, group):
        update = self.buffer(p).mul_(group["momentum"]).add_(p.grad)
        if not getattr(self, "found_inf", 0):
            p.add_(update, alpha=-group["lr"])


class SkipsAllButTheCount(SaysFused):
    def move(self, p, group):
        self.state[p]["step"] = self.state[p].get("step", 0) + 1
        if not getattr(self, "found_inf", 0):
            p.add_(p.grad, alpha=-group["lr"] / self.state[p]["step"])


class SkipsButForTheFirstStep(SaysFused):
    """Makes its momentum in the first step, from memory that only a step writes to."""

    def move(self, p, group):
        first = "update" not in self.state[p]
        update = self.state[p].setdefault("update", torch.empty_like(p))
        if not getattr(self, "found_inf", 0):
            update.copy_(p.grad if first else update * group["momentum"] + p.grad)
            p.add_(update, alpha=-group["lr"])


class ReadsItsRateOnce(Good):
    def __init__(self, parameters):
        super().__init__(parameters)
        self.lr = self.param_groups[0]["lr"]

    def move(self, p, group):
        p.add_(p.grad, alpha=-self.lr)


class DecaysWhateverTheRate(Good):
    def move(self, p, group):
        p.mul_(1 - 1e-4)
        super().move(p, group)


class StopsForGood(Good):
    """Leaves out a group whose rate is 0, and never takes it back."""

    def move(self, p, group):
        self.state[p]["frozen"] = self.state[p].get("frozen", False) or not group["lr"]
        if not self.state[p]["frozen"]:
            super().move(p, group)


class MomentumInFloat32(Good):
    def buffer(self, p):
        return self.state[p].setdefault("update", torch.zeros(p.shape))

    def move(self, p, group):
        update = self.buffer(p).lerp_(p.grad, 0.1)
        p.add_(update, alpha=-group["lr"])


class LeavesWeightsInFloat32(Good):
    def move(self, p, group):
        p.data = p.data.float() - group["lr"] * p.grad.float()


class Evaluates(Good):
    """Steps with the gradients of an evaluation of its own."""

    needs_closure = True

    def step(self, closure):
        loss = closure()
        super().step()
        return loss


class EvaluatesElsewhere(Evaluates):
    """Looks ahead before its first evaluation, so that what is reported is of other weights."""

    @torch.no_grad()
    def step(self, closure):
        for p in self.param_groups[0]["params"]:
            p.add_(self.buffer(p), alpha=-self.param_groups[0]["lr"])
        return super().step(closure)


class NeverEvaluates(Evaluates):
    def step(self, closure):
        return Good.step(self)


CHECKS = {check.__name__: check for check in checks_in(optimizers)}
DEFECTS = [
    (NoOptimizer, "every_parameter_is_held_once", "a torch.optim.Optimizer; seen: NoOp"),
    (ForgetsVectors, "every_parameter_is_held_once", "bias': 0"),
    (HoldsACopy, "every_parameter_is_held_once", "weight': 0"),
    (RateUnderAnotherName, "every_parameter_is_held_once", "an `lr` in every group"),
    (GoesUphill, "quadratic_falls", "a lower loss"),
    (MovesTheFirstAlone, "quadratic_falls", "bias: from"),
    (WantsAClosure, "quadratic_falls", "required positional argument: 'closure'"),
    (CapturesGradients, "gradients_count_as_they_are_at_the_step", "clipped; seen: lay"),
    (StepsInBackward, "gradients_count_as_they_are_at_the_step", "clipped; seen: lay"),
    (KeepsMomentumToItself, "saved_optimizer_goes_on_to_the_bit", "go on to the bit"),
    (CountsStepsToItself, "saved_optimizer_goes_on_to_the_bit", "go on to the bit"),
    (LoadsWithItsOwnRate, "saved_optimizer_goes_on_to_the_bit", "the rates that were"),
    (StateIsNoPlainValue, "saved_optimizer_goes_on_to_the_bit", "JSON values and tens"),
    (NeedsEveryGradient, "parameters_without_gradient_are_left_alone", "NoneType"),
    (DecaysWithoutGradient, "parameters_without_gradient_are_left_alone", "to stay"),
    (FallsOnByMomentum, "parameters_without_gradient_are_left_alone", "to stay"),
    (AddsNoise, "training_twice_gives_the_same", "torch's random state"),
    (StartsItsMomentumByChance, "training_twice_gives_the_same", "torch's random state"),
    (DecaysInTheGradient, "only_weights_change", "as they were before the step"),
    (ClearsGradients, "only_weights_change", "others, or none"),
    (ClipsOnceMore, "only_weights_change", "others, or none"),
    (EvaluatesElsewhere, "first_evaluation_is_at_the_weights", "before the step; seen"),
    (NeverEvaluates, "first_evaluation_is_at_the_weights", "it calls none"),
    (SaysFused, "told_of_infinity_a_fused_step_does_nothing", "found_inf left alone"),
    (SkipsWeightsAlone, "told_of_infinity_a_fused_step_does_nothing", "the next step"),
    (SkipsAllButTheCount, "told_of_infinity_a_fused_step_does_nothing", "next step"),
    (SkipsButForTheFirstStep, "told_of_infinity_a_fused_step_does_nothing", "by nan"),
    (ReadsItsRateOnce, "rate_in_the_groups_is_used", "no change of any weight"),
    (DecaysWhateverTheRate, "rate_in_the_groups_is_used", "no change of any weight"),
    (StopsForGood, "rate_in_the_groups_is_used", "once `lr` is what it was"),
    (MomentumInFloat32, "double_precision_is_kept", "expected dtype"),
    (LeavesWeightsInFloat32, "double_precision_is_kept", "torch.float32"),
]


@pytest.mark.parametrize(("optimizer", "check", "message"), DEFECTS)
def test_a_planted_mistake_is_caught_by_its_check(optimizer, check, message):
    with pytest.raises(Broken, match=message):
        verify(CHECKS[check], Subject.of("optimizer", optimizer, {}))


def test_every_check_catches_something():
    caught = {check for _, check, _ in DEFECTS} | checks_that_catch("optimizer")
    assert caught == set(CHECKS)


SPECIAL = {
    "told_of_infinity_a_fused_step_does_nothing": "not every group says `fused`",
    "first_evaluation_is_at_the_weights": "it does not say `needs_closure`",
}


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("check", CHECKS)
def test_an_optimizer_as_one_would_write_it_keeps_every_promise(check, momentum):
    subject = Subject.of("optimizer", Good, {"momentum": momentum})
    if check in SPECIAL:
        with pytest.raises(NotApplicable, match=SPECIAL[check]):
            CHECKS[check](subject)
    else:
        verify(CHECKS[check], subject)


@pytest.mark.parametrize("check", [check for check in CHECKS if check != next(iter(SPECIAL))])
def test_one_that_evaluates_by_itself_keeps_every_promise(check):
    verify(CHECKS[check], Subject.of("optimizer", Evaluates, {}))


class SlowWeights(Good):
    """Slow weights that fast ones meet each tenth step, in its state."""

    def move(self, p, group):
        state = self.state[p]
        slow = state.setdefault("slow", p.clone())
        super().move(p, group)
        state["step"] = state.get("step", 0) + 1
        if state["step"] % 10 == 0:
            p.copy_(slow.lerp_(p, 0.5))


@pytest.mark.parametrize("check", CHECKS)
def test_slow_weights_may_meet_the_fast_ones(check):
    result = look_at(CHECKS[check], Subject.of("optimizer", SlowWeights, {"momentum": 0.0}))
    assert result.verdict != "broken", result.message


def test_how_a_process_treats_determinism_is_as_it_was_after_a_check(registry):
    subject = Subject.of_component(registry.find("optimizer", "adam"), {})
    verify(CHECKS["told_of_infinity_a_fused_step_does_nothing"], subject)
    assert not torch.are_deterministic_algorithms_enabled()
