"""The optimizers take the steps of torch and of the papers."""

from __future__ import annotations

import pytest
import torch
from torch import nn


@pytest.fixture
def make(registry):
    def make(name, parameters, **options):
        return registry.find("optimizer", name).factory(list(parameters), **options)

    return make


def parameters(seed=0) -> dict[str, nn.Parameter]:
    """A matrix of a hidden layer, its bias, and the head's matrix."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"layers.0.weight": (4, 3), "layers.0.bias": (4,), "head.weight": (5, 4)}
    return {n: nn.Parameter(torch.randn(s, generator=generator)) for n, s in shapes.items()}


def distance(named) -> torch.Tensor:
    """A quadratic with its minimum at 1, stretched so that no two directions are alike."""
    return sum(((p - 1) ** 2 * torch.linspace(1, 3, p.shape[-1])).sum() for p in named.values())


def descend(optimizer, named, steps) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        distance(named).backward()
        optimizer.step()


def values(named) -> list[torch.Tensor]:
    return [p.detach().clone() for p in named.values()]


def changed(named, before) -> dict[str, float]:
    """The largest change of each parameter."""
    pairs = zip(named, values(named), before, strict=True)
    return {name: float((new - old).abs().max()) for name, new, old in pairs}


@pytest.mark.parametrize(
    ("name", "torchs", "options"),
    [
        ("adam", torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.9)}),
        ("adamw", torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
        ("sgd", torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
        ("rmsprop", torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9}),
        ("adagrad", torch.optim.Adagrad, {"lr": 0.01, "weight_decay": 0.1}),
    ],
)
def test_ten_steps_equal_those_of_torchs_plain_loop(make, name, torchs, options):
    ours, theirs = parameters(), parameters()
    descend(make(name, ours.items(), **options), ours, 10)
    descend(torchs(theirs.values(), foreach=False, **options), theirs, 10)
    torch.testing.assert_close(values(ours), values(theirs), rtol=0, atol=1e-6)


def test_muon_gives_hidden_matrices_the_one_rate_and_the_rest_the_other(make):
    named = parameters()
    before = values(named)
    descend(make("muon", named.items(), lr=1e-9, adamw_lr=0.1), named, 1)
    moved = {name for name, change in changed(named, before).items() if change > 0.01}
    assert moved == {"layers.0.bias", "head.weight"}


def test_muon_changes_a_hidden_matrix_equally_in_all_its_directions(make):
    named = parameters()
    before = values(named)
    descend(make("muon", named.items(), lr=0.1), named, 1)
    strengths = torch.linalg.svdvals(named["layers.0.weight"].detach() - before[0])
    assert strengths.max() / strengths.min() < 2


@pytest.mark.parametrize("kept", ["layers.0.weight", "layers.0.bias"])
def test_muon_takes_models_without_the_one_part_or_the_other(make, kept):
    named = {kept: parameters()[kept]}
    before = distance(named)
    descend(make("muon", named.items()), named, 5)
    assert distance(named) < before


def test_a_schedule_changes_the_rates_of_both_of_muons_parts(make, registry):
    named = parameters()
    optimizer = make("muon", named.items(), lr=0.2, adamw_lr=0.1)
    schedule = registry.find("schedule", "linear").factory(optimizer, 4)
    for expected in ((0.15, 0.075), (0.1, 0.05), (0.05, 0.025), (0.0, 0.0)):
        descend(optimizer, named, 1)
        schedule.step()
        assert [g["lr"] for g in optimizer.param_groups] == pytest.approx(expected)
    before = values(named)
    descend(optimizer, named, 1)
    assert max(changed(named, before).values()) == 0


def test_a_schedule_still_changes_muons_rates_after_a_checkpoint(make, registry):
    named = parameters()
    optimizer = make("muon", named.items())
    schedule = registry.find("schedule", "linear").factory(optimizer, 1)
    optimizer.load_state_dict(optimizer.state_dict())
    descend(optimizer, named, 1)
    schedule.step()
    before = values(named)
    descend(optimizer, named, 1)
    assert max(changed(named, before).values()) == 0


def plain_lion(named, momenta, lr, betas, weight_decay):
    """One step as the paper's Algorithm 2 writes it, weight by weight."""
    for name, parameter in named.items():
        gradient, momentum = parameter.grad, momenta[name]
        direction = (betas[0] * momentum + (1 - betas[0]) * gradient).sign()
        parameter.data -= lr * (direction + weight_decay * parameter.data)
        momenta[name] = betas[1] * momentum + (1 - betas[1]) * gradient


@pytest.mark.parametrize("betas", [(0.9, 0.99), (0.95, 0.98), (0.0, 0.0)])
def test_lion_takes_the_steps_of_the_paper(make, betas):
    options = {"lr": 0.01, "betas": betas, "weight_decay": 0.1}
    ours, theirs = parameters(), parameters()
    momenta = {name: torch.zeros_like(p) for name, p in theirs.items()}
    optimizer = make("lion", ours.items(), **options)
    for _ in range(10):
        descend(optimizer, ours, 1)
        distance(theirs).backward()
        plain_lion(theirs, momenta, **options)
        for parameter in theirs.values():
            parameter.grad = None
    torch.testing.assert_close(values(ours), values(theirs), rtol=0, atol=1e-6)


def test_lion_moves_every_weight_equally_far(make):
    named = parameters()
    before = values(named)
    descend(make("lion", named.items(), lr=0.01), named, 1)
    for new, old in zip(values(named), before, strict=True):
        torch.testing.assert_close((new - old).abs(), torch.full_like(old, 0.01))


def test_lion_decays_a_weight_apart_from_its_gradient(make):
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer = make("lion", [("weight", weight)], lr=0.1, weight_decay=0.5)
    weight.grad = torch.zeros(1)
    optimizer.step()
    assert weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5))


def test_lion_returns_the_loss_of_a_closure_that_needs_gradients(make):
    named = parameters()

    def closure():
        loss = distance(named)
        loss.backward()
        return loss

    before = distance(named).item()
    assert make("lion", named.items()).step(closure).item() == before
    assert distance(named).item() < before
