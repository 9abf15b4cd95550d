"""Optimizers around others, and schedules one after another."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import seqlab
from seqlab.errors import ExperimentError
from seqlab.registry import resolve


@pytest.fixture
def part(tiny, registry):
    """Build the component of a section."""

    def part(kind, section, *supplied):
        resolved = resolve(seqlab.read_experiment({**tiny, kind: section}), registry)
        return getattr(resolved, kind).build(*supplied)

    return part


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2))


def rates(optimizer, model):
    """Learning rate and weight decay of each parameter, by name."""
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }


def take_steps(optimizer, model, steps):
    for step in range(steps):
        optimizer.zero_grad()
        torch.manual_seed(step)
        model(torch.randn(5, 4)).square().sum().backward()
        optimizer.step()


def test_groups_have_rates_of_their_own_and_vectors_do_not_decay(part, model):
    section = {
        "name": "groups",
        "base": {"name": "adamw", "lr": 0.01, "weight_decay": 0.1},
        "groups": [
            {"match": ["2.*"], "lr": 0.5},
            {"match": ["0.bias"], "weight_decay": 0.2, "optimizer": {"name": "sgd", "lr": 0.3}},
        ],
    }
    optimizer = part("optimizer", section, list(model.named_parameters()))
    assert rates(optimizer, model) == {
        "0.weight": (0.01, 0.1),
        "0.bias": (0.3, 0.2),
        "1.weight": (0.01, 0.0),
        "1.bias": (0.01, 0.0),
        "2.weight": (0.5, 0.1),
        "2.bias": (0.5, 0.0),
    }


def test_one_group_is_the_optimizer_itself(part, model):
    other = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2))
    other.load_state_dict(model.state_dict())
    base = {"name": "adamw", "lr": 0.01}
    grouped = {"name": "groups", "base": base, "no_decay": None}
    take_steps(part("optimizer", grouped, list(model.named_parameters())), model, 4)
    take_steps(part("optimizer", base, list(other.named_parameters())), other, 4)
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_pattern_that_matches_nothing_is_refused(part, model):
    section = {"name": "groups", "groups": [{"match": ["hed.*"]}]}
    with pytest.raises(ExperimentError, match=r"no parameter is left for .* \['hed.\*'\]"):
        part("optimizer", section, list(model.named_parameters()))


def test_slow_weights_follow_every_few_steps(part, model):
    begin = [p.detach().clone() for p in model.parameters()]
    fast = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2))
    fast.load_state_dict(model.state_dict())
    base = {"name": "sgd", "lr": 0.1}
    section = {"name": "lookahead", "base": base, "steps": 3, "share": 0.25}
    take_steps(part("optimizer", base, list(fast.named_parameters())), fast, 3)
    take_steps(part("optimizer", section, list(model.named_parameters())), model, 3)
    for slow, first, last in zip(model.parameters(), begin, fast.parameters(), strict=True):
        torch.testing.assert_close(slow, torch.lerp(first, last, 0.25))


def test_the_key_of_the_section_is_refused_inside(part, model):
    section = {"name": "lookahead", "base": {"name": "sgd", "clip_norm": 1.0}}
    with pytest.raises(ExperimentError, match=r"base.clip_norm: belongs in the section"):
        part("optimizer", section, list(model.named_parameters()))


CHAIN = [{"schedule": {"name": "constant", "warmup": 3}, "steps": 5}, {"schedule": "linear"}]


def curve(schedule, optimizer, steps):
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_each_phase_has_its_own_steps(part):
    def of(section, steps):
        optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=1.0)
        return curve(part("schedule", section, optimizer, steps), optimizer, steps)

    whole = of({"name": "chain", "phases": CHAIN}, 15)
    assert whole[:5] == pytest.approx(of(CHAIN[0]["schedule"], 5))
    assert whole[5:] == pytest.approx(of("linear", 10))


@pytest.mark.parametrize("steps", [3, 4])
def test_phases_that_do_not_fit_are_refused(part, steps):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=1.0)
    phases = [{"schedule": "constant", "steps": steps}] * (3 if steps == 4 else 2)
    with pytest.raises(ExperimentError, match=r"the phases have \d+ of 10 steps"):
        part("schedule", {"name": "chain", "phases": phases}, optimizer, 10)


def test_schedule_free_steps_are_those_of_the_paper(part):
    """Its three sequences, kept in full precision."""
    lr, beta_1, beta_2, decay = 0.1, 0.9, 0.99, 0.1
    parameter = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    section = {"name": "schedule_free_adamw", "lr": lr, "betas": [beta_1, beta_2]}
    section["weight_decay"] = decay
    optimizer = part("optimizer", section, [("w", parameter)])
    x = y = z = parameter.detach().clone()
    squares = torch.zeros_like(z)
    for step in range(1, 6):
        gradient = y**3
        parameter.grad = parameter.detach() ** 3
        optimizer.step()
        squares = beta_2 * squares + (1 - beta_2) * gradient**2
        direction = gradient / ((squares / (1 - beta_2**step)).sqrt() + 1e-8) + decay * y
        z = z - lr * direction
        x = (1 - 1 / step) * x + z / step
        y = (1 - beta_1) * z + beta_1 * x
        torch.testing.assert_close(parameter.detach(), y)
    optimizer.eval()
    torch.testing.assert_close(parameter.detach(), x)
    with pytest.raises(RuntimeError, match=r"steps after train\(\), and this is eval"):
        optimizer.step()
    optimizer.train()
    torch.testing.assert_close(parameter.detach(), y)


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_weights_of_eval_are_saved_and_a_resumed_run_has_the_same_bits(tiny, wrapped):
    section = {"name": "schedule_free_adamw", "lr": 0.02}
    section = {"name": "groups", "base": section} if wrapped else section
    experiment = {**tiny, "optimizer": section, "train": {"epochs": 2, "seed": 3}}
    whole = seqlab.run(experiment, run_dir="whole")
    often = {**experiment, "evaluation": {"every": 7}, "corpus": {**tiny["corpus"], "holdout": 0.2}}
    seldom = {**often, "evaluation": {"every": "2 epochs"}}
    seqlab.run(experiment, run_dir="half", overrides=["train.epochs=1"])
    again = seqlab.resume("half", overrides=["train.epochs=2"])
    assert [row["loss"] for row in again.metrics] == [row["loss"] for row in whole.metrics]

    def trained(experiment, folder):
        rows = seqlab.run(experiment, run_dir=folder).metrics
        return [row["loss"] for row in rows if row["split"] == "train"], rows[-1]["loss"]

    assert trained(often, "often") == trained(seldom, "seldom")


def test_an_average_beside_an_optimizer_that_averages_is_refused(tiny):
    experiment = {
        **tiny,
        "optimizer": "schedule_free_adamw",
        "train": {"epochs": 1, "average": 0.9},
    }
    with pytest.raises(ExperimentError, match=r"train.average: optimizer 'schedule_free_adamw' av"):
        seqlab.run(experiment)


def test_patterns_are_not_held_against_made_up_names(tiny, drop):
    """A cell that computes with its new weights cannot be outlined before the run."""
    drop(
        """
        import seqlab
        from seqlab_plugins.cells.recurrent import GRU

        class Computes(GRU):
            "Looks at its weights."
            def __init__(self, input_size, *, hidden_size: seqlab.Count = 4):
                super().__init__(input_size, hidden_size=hidden_size)
                self.total = float(self.layers[0].weight_hh_l0.sum())

        @seqlab.hookimpl
        def seqlab_register_cells():
            return {"computes": Computes}
        """
    )
    groups = {"name": "groups", "groups": [{"match": ["head.*"], "lr": 0.1}]}
    run = seqlab.run({**tiny, "cell": "computes", "optimizer": groups, "train": {"steps": 1}})
    assert run.description["status"] == "finished"


@pytest.mark.parametrize("adaptive", [False, True])
def test_steps_of_sam_are_those_of_the_paper(part, adaptive):
    """From w, with the gradients at w + e; the loss is a sum of fourth powers."""
    lr, rho = 0.01, 0.3
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    parameter = nn.Parameter(weights.clone())
    section = {"name": "sam", "base": {"name": "sgd", "lr": lr}, "rho": rho, "adaptive": adaptive}
    optimizer = part("optimizer", section, [("w", parameter)])

    def closure():
        parameter.grad = 4 * parameter.detach() ** 3
        return (parameter.detach() ** 4).sum()

    for _ in range(3):
        gradient = 4 * weights**3
        scale = weights.abs() if adaptive else torch.ones_like(weights)
        e = rho * scale**2 * gradient / (scale * gradient).norm()
        loss = optimizer.step(closure)
        torch.testing.assert_close(loss, (weights**4).sum())
        weights = weights - lr * 4 * (weights + e) ** 3
        torch.testing.assert_close(parameter.detach(), weights)


def test_sam_around_an_optimizer_that_evaluates_by_itself_is_refused(part, model):
    section = {"name": "sam", "base": {"name": "lookahead", "base": "sam"}}
    with pytest.raises(ExperimentError, match=r"Lookahead needs a closure itself"):
        part("optimizer", section, list(model.named_parameters()))
