"""Cells with a diagonal recurrence, against the equations of their papers, token by token."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

ROWS, WINDOW, SIZE = 2, 70, 6


@pytest.fixture
def make(registry):
    def make(name, **options):
        torch.manual_seed(0)
        cell = registry.find("cell", name).factory(SIZE, **options).double()
        for parameter in cell.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        return cell

    return make


def some_inputs() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(ROWS, WINDOW, SIZE, generator=generator, dtype=torch.float64)


def as_complex(parts: torch.Tensor) -> torch.Tensor:
    return torch.complex(parts[..., ::2], parts[..., 1::2])


def lru(cell, x):
    decay = torch.exp(torch.complex(-cell.log_rate.exp(), cell.log_phase.exp()))
    hidden, outputs = torch.zeros(ROWS, len(decay), dtype=torch.complex128), []
    for t in range(WINDOW):
        hidden = decay * hidden + cell.log_scale.exp() * as_complex(cell.write(x[:, t]))
        # Re(C h) = Re(C) Re(h) - Im(C) Im(h): the weights of imaginary parts are -Im(C)
        read = torch.complex(cell.read.weight[:, ::2], -cell.read.weight[:, 1::2])
        outputs.append((hidden @ read.T).real + cell.skip(x[:, t]))
    return torch.stack(outputs, 1)


def s4d(cell, x):
    rate = torch.complex(-cell.log_rate.exp(), cell.frequency)
    step = cell.log_step.exp().unsqueeze(-1)
    decay = torch.exp(step * rate)
    write, read = (decay - 1) / rate, torch.view_as_complex(cell.read.detach())
    hidden, outputs = torch.zeros(ROWS, *decay.shape, dtype=torch.complex128), []
    for t in range(WINDOW):
        channels = cell.project(x[:, t])
        hidden = decay * hidden + write * channels.unsqueeze(-1)
        found = 2 * (read * hidden).sum(-1).real + cell.skip * channels
        outputs.append(cell.output(functional.gelu(found)))
    return torch.stack(outputs, 1)


def rg_lru(cell, x):
    projected = cell.project(x)
    kernel = cell.convolution.weight[:, 0]
    hidden, outputs = torch.zeros(ROWS, cell.output_size).double(), []
    for t in range(WINDOW):
        u = cell.convolution.bias + sum(
            kernel[:, -1 - back] * projected[:, t - back] for back in range(min(t + 1, 4))
        )
        rate, entry = cell.gates(u).sigmoid().chunk(2, -1)
        decay = cell.decay.sigmoid() ** (8 * rate)
        hidden = decay * hidden + (1 - decay**2).sqrt() * entry * u
        outputs.append(cell.output(hidden * functional.gelu(cell.gate(x[:, t]))))
    return torch.stack(outputs, 1)


CASES = {
    "lru": (lru, {"hidden_size": 8, "state_size": 5}),
    "s4d": (s4d, {"hidden_size": 8, "state_size": 3}),
    "rg_lru": (rg_lru, {"hidden_size": 8}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_window_is_what_the_equations_say(make, name):
    reference, options = CASES[name]
    cell, inputs = make(name, **options), some_inputs()
    torch.testing.assert_close(
        cell(inputs, None)[0], reference(cell, inputs), rtol=1e-9, atol=1e-10
    )


@pytest.mark.parametrize("name", CASES)
def test_tokens_one_by_one_are_a_window(make, name):
    cell, inputs = make(name, **CASES[name][1]), some_inputs()
    state, steps = None, []
    for t in range(WINDOW):
        step, state = cell(inputs[:, t : t + 1], state)
        steps.append(step)
    torch.testing.assert_close(torch.cat(steps, 1), cell(inputs, None)[0], rtol=1e-10, atol=1e-10)
