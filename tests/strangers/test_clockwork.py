"""The clockwork RNN of strangers is its paper, and goes on to the bit.

Koutnik et al., 2014, arXiv:1402.3511. Shapes: B rows, T window, I input size, H hidden size.
"""

from __future__ import annotations

import shutil

import pytest
import torch

import seqlab
from seqlab.testing import Subject

B, T, SIZE, H, PERIODS, RATE = 2, 7, 3, 6, [1, 2, 4], 0.1


@pytest.fixture
def make(strangers):
    def made(**options):
        torch.manual_seed(3)
        found = strangers.find("cell", "clockwork")
        return Subject.of_component(found, options, strangers).build(SIZE)

    return made


def drawn(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def paper(w, inputs, units, step):
    """Block by block: block i of W_H is there for the blocks whose clocks are as slow or slower."""
    outputs, size = [], H // len(PERIODS)
    for t in range(inputs.shape[1]):
        blocks = list(units.split(size, 1))
        read = inputs[:, t] @ w["inputs.weight"].T + w["inputs.bias"]
        for i, period in enumerate(PERIODS):
            if (step + t) % period:
                continue
            own = slice(i * size, (i + 1) * size)
            total = read[:, own]
            for j, other in enumerate(units.split(size, 1)):
                if PERIODS[j] >= period:
                    total = total + other @ w["hidden"][own, j * size : (j + 1) * size].T
            blocks[i] = total.tanh()
        units = torch.cat(blocks, 1)
        outputs.append(units)
    return torch.stack(outputs, 1), units


def trained(read, weights):
    """The loss of each of twenty steps over windows that follow one another."""
    state, found = None, []
    for step in range(20):
        outputs, state = read(drawn(B, T, SIZE, seed=step), state, step * T)
        loss = (outputs - drawn(B, T, H, seed=100 + step)).square().mean()
        found.append(float(loss.detach()))
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.data.sub_(gradient, alpha=RATE)
        state = seqlab.map_state(torch.Tensor.detach, state)
    return found


def test_it_is_its_paper_for_twenty_steps_of_windows_that_follow_one_another(make):
    cell = make(hidden_size=H, periods=PERIODS).double()
    own = {n: p.detach().clone().requires_grad_() for n, p in cell.named_parameters()}
    found = trained(lambda x, state, _: cell(x, state), list(cell.parameters()))

    def slow(inputs, units, step):
        fresh = torch.zeros(B, H, dtype=torch.float64)
        return paper(own, inputs, fresh if units is None else units, step)

    assert found == pytest.approx(trained(slow, list(own.values())), rel=1e-5)


def test_a_slow_group_stands_still_between_its_ticks(make):
    outputs, _ = make(hidden_size=H, periods=PERIODS)(torch.randn(B, 8, SIZE), None)
    slowest = outputs[..., -2:]
    assert torch.equal(slowest[:, :4], slowest[:, :1].expand(-1, 4, -1))
    assert not torch.equal(slowest[:, 4], slowest[:, 3])


def test_clocks_tick_together_after_the_least_common_multiple_of_their_periods(make):
    cell = make(hidden_size=4, periods=[4, 6])
    _, (_, step) = cell(torch.zeros(1, 12, SIZE), None)
    assert float(step) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 5, "periods": [1, 2]}, "hidden_size 5 has no 2 groups of one size"),
        ({"hidden_size": 2, "periods": [9973, 9967]}, "tick together after 99,400,891 steps"),
    ],
)
def test_groups_that_cannot_be_are_refused(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_run_goes_on_to_the_bit_between_two_ticks(strangers, facts, tmp_path):
    experiment = {
        "corpus": {"name": "original_lyrics", "max_characters": 1500},
        "sampler": {"name": "consecutive", "batch_size": 2, "window": 5},  # 5 is no multiple of 4
        "model": {"embedding": 4},
        "cell": {"name": "clockwork", "hidden_size": H, "periods": PERIODS},
        "optimizer": "adam",
        "train": {"steps": 9, "checkpoint": {"every": 1, "keep": 99}},
        "observers": [],
    }
    run = seqlab.run(experiment, run_dir=tmp_path / "run", registry=strangers)
    for number in (1, 4, 7):
        copy = shutil.copytree(run.path, tmp_path / f"copy{number}")
        assert facts(seqlab.resume(copy, checkpoint=number, registry=strangers)) == facts(run)
