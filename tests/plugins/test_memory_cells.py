"""Cells with a matrix memory, against the equations of their papers, token by token in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

ROWS, WINDOW, SIZE = 2, 150, 6  # longer than two chunks, and no multiple of one
SIZES = {"hidden_size": 8, "heads": 2}


@pytest.fixture
def make(registry):
    """Build a cell with weights that are not small, in double precision."""

    def make(name, **options):
        torch.manual_seed(0)
        cell = registry.find("cell", name).factory(SIZE, **options).double()
        for parameter in cell.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
        return cell

    return make


def some_inputs(window: int = WINDOW) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(ROWS, window, SIZE, generator=generator, dtype=torch.float64)


def by_head(part: torch.Tensor, heads: int = SIZES["heads"]) -> torch.Tensor:
    return part.unflatten(-1, (heads, -1))


def convolved(convolution, values: torch.Tensor) -> torch.Tensor:
    """A causal convolution of each channel, as a sum over the last tokens."""
    kernel = convolution.weight[:, 0]  # (channels, F)
    size = kernel.shape[1]
    found = torch.zeros_like(values)
    for back in range(size):
        shifted = functional.pad(values, (0, 0, back, 0))[:, : values.shape[1]]
        found += kernel[:, size - 1 - back] * shifted
    return found if convolution.bias is None else found + convolution.bias


def stepped(memory, window, step) -> torch.Tensor:
    outputs = []
    for t in range(window):
        memory, read = step(memory, t)
        outputs.append(read)
    return torch.stack(outputs, 1)


def outer(key, value):
    return key.unsqueeze(-1) * value.unsqueeze(-2)


def read_by(query, memory):
    return (query.unsqueeze(-1) * memory).sum(-2)


def fresh(cell):
    return torch.zeros(ROWS, *cell.state_shape, dtype=torch.float64)


def delta_net(cell, x):
    heads, key_size, _ = cell.state_shape
    keys = heads * key_size
    seen = functional.silu(convolved(cell.convolution, cell.project(x)))
    query, key, value = (by_head(part) for part in seen.split((keys, keys, cell.output_size), -1))
    query, key = (part / part.norm(dim=-1, keepdim=True) for part in (query, key))
    strength = cell.strongest * cell.strength(x).sigmoid()
    decay = torch.ones_like(strength)
    if cell.has_decay:
        decay = (-cell.log_rate.exp() * functional.softplus(cell.step_size(x))).exp()

    def step(memory, t):
        memory = decay[:, t, :, None, None] * memory
        error = value[:, t] - read_by(key[:, t], memory)
        memory = memory + strength[:, t, :, None, None] * outer(key[:, t], error)
        return memory, read_by(query[:, t] / math.sqrt(key_size), memory)

    read = stepped(fresh(cell), x.shape[1], step)
    gated = cell.norm(read).flatten(2) * functional.silu(cell.gate(x))
    return cell.output(gated)


def mamba2(cell, x):
    state_size = cell.state_shape[1]
    gate, channels, step_size = cell.project(x).split(cell.sizes, -1)
    seen = functional.silu(convolved(cell.convolution, channels))
    values, write, read = seen.split((cell.sizes[0], state_size, state_size), -1)
    values = by_head(values)
    step_size = functional.softplus(step_size + cell.step_bias)
    decay = (-cell.log_rate.exp() * step_size).exp()

    def step(memory, t):
        written = step_size[:, t, :, None, None] * outer(write[:, t, None], values[:, t])
        memory = decay[:, t, :, None, None] * memory + written
        return memory, read_by(read[:, t, None], memory) + cell.skip[:, None] * values[:, t]

    found = stepped(fresh(cell), x.shape[1], step).flatten(2)
    return cell.output(cell.norm(found * functional.silu(gate)))


def hgrn2(cell, x):
    heads, key_size, _ = cell.state_shape
    keys = heads * key_size
    query, gate, value = map(by_head, cell.project(x).split((keys, keys, cell.output_size), -1))
    forget = cell.lowest + (1 - cell.lowest) * gate.sigmoid()

    def step(memory, t):
        memory = forget[:, t].unsqueeze(-1) * memory + outer(1 - forget[:, t], value[:, t])
        return memory, read_by(functional.silu(query[:, t]), memory)

    read = stepped(fresh(cell), x.shape[1], step)
    return cell.output(cell.norm(read).flatten(2))


def retention(cell, x):
    heads, key_size, _ = cell.state_shape
    keys = heads * key_size
    query, key, value = map(by_head, cell.project(x).split((keys, keys, cell.output_size), -1))
    frequency = 10_000.0 ** -(torch.arange(key_size // 2).double() / (key_size // 2))
    decay = 1 - 2.0 ** (-5 - torch.arange(heads).double())

    def turned(vectors, position):
        pairs = torch.complex(*vectors.chunk(2, -1)) * torch.exp(1j * position * frequency)
        return torch.cat((pairs.real, pairs.imag), -1)

    def step(memory, t):
        memory = decay[:, None, None] * memory + outer(turned(key[:, t], t), value[:, t])
        return memory, read_by(turned(query[:, t], t) / math.sqrt(key_size), memory)

    read = stepped(fresh(cell), x.shape[1], step)
    gated = cell.norm(read).flatten(2) * functional.silu(cell.gate(x))
    return cell.output(gated)


def mlstm(cell, x):
    """Without a stabiliser: the paper's equations 19 to 27 as they stand."""
    heads, key_size, _ = cell.memory_shape
    keys = heads * key_size
    query, key, value = map(by_head, cell.project(x).split((keys, keys, cell.output_size), -1))
    entry, forget = cell.gates(x).chunk(2, -1)
    shape = (ROWS, heads, key_size)
    start = torch.zeros(*shape, cell.output_size // heads).double(), torch.zeros(shape).double()

    def step(state, t):
        memory, normaliser = state
        kept, written = forget[:, t].sigmoid(), entry[:, t].exp()
        scaled = key[:, t] / math.sqrt(key_size)
        added = written[..., None, None] * outer(scaled, value[:, t])
        memory = kept[..., None, None] * memory + added
        normaliser = kept[..., None] * normaliser + written[..., None] * scaled
        weight = (normaliser * query[:, t]).sum(-1, keepdim=True).abs().clamp(min=1)
        return (memory, normaliser), read_by(query[:, t], memory) / weight

    read = stepped(start, x.shape[1], step)
    return cell.out(x).sigmoid() * cell.norm(read).flatten(2)


def slstm(cell, x):
    """Without a stabiliser: the paper's equations 8 to 14 as they stand."""
    shape = (ROWS, cell.output_size)
    start = tuple(torch.zeros(shape).double() for _ in range(3))
    size = cell.output_size // cell.heads

    def step(state, t):
        hidden, memory, normaliser = state
        blocks = [
            hidden[:, head * size : (head + 1) * size] @ cell.recurrent[head]
            for head in range(cell.heads)
        ]
        gates = cell.inputs(x[:, t]) + torch.cat(blocks, -1)
        value, entry, forget, out = gates.view(ROWS, cell.heads, 4, size).unbind(2)
        value, entry, forget, out = (part.flatten(1) for part in (value, entry, forget, out))
        memory = forget.sigmoid() * memory + entry.exp() * value.tanh()
        normaliser = forget.sigmoid() * normaliser + entry.exp()
        hidden = out.sigmoid() * memory / normaliser
        return (hidden, memory, normaliser), hidden

    hidden = stepped(start, x.shape[1], step)
    return cell.norm(by_head(hidden)).flatten(2)


def rwkv7(cell, x):
    before = functional.pad(x, (0, 0, 1, 0))[:, :-1]
    mixed = [x + mu * (before - x) for mu in cell.mixture]
    reading, decaying, keying, valuing, rating, gating = mixed
    decay = torch.exp(-math.exp(-0.5) * cell.decay(decaying).sigmoid())
    key, value, rate = cell.key(keying), cell.value(valuing), cell.rate(rating).sigmoid()
    removed = by_head(key * cell.removed)
    removed = removed / removed.norm(dim=-1, keepdim=True)
    key = key * (1 + cell.replaced * (rate - 1))
    read = cell.receptance(reading)
    read, key, value, rate, decay = map(by_head, (read, key, value, rate, decay))

    def step(memory, t):
        found = read_by(removed[:, t], memory)
        memory = decay[:, t].unsqueeze(-1) * memory
        memory = memory - outer(removed[:, t] * rate[:, t], found) + outer(key[:, t], value[:, t])
        return memory, read_by(read[:, t], memory)

    start = torch.zeros(ROWS, *cell.state_shape[1]).double()
    found = stepped(start, x.shape[1], step)
    mean, variance = found.mean(-1, keepdim=True), found.var(-1, keepdim=True, unbiased=False)
    normed = ((found - mean) / (variance + 64e-5).sqrt()).flatten(2)
    normed = normed * cell.norm.weight + cell.norm.bias
    bonus = (read * key * by_head(cell.bonus)).sum(-1, keepdim=True) * value
    return cell.output(cell.gate(gating) * (normed + bonus.flatten(2)))


CASES = {
    "gated_delta_net": (delta_net, {**SIZES, "key_size": 5}),
    "delta_net": (delta_net, {**SIZES, "key_size": 5, "negative_eigenvalues": True}),
    "mamba2": (mamba2, {**SIZES, "state_size": 5}),
    "hgrn2": (hgrn2, {**SIZES, "key_size": 5, "lowest": 0.3}),
    "retention": (retention, {**SIZES, "key_size": 6}),
    "mlstm": (mlstm, {**SIZES, "key_size": 5}),
    "slstm": (slstm, SIZES),
    "rwkv7": (rwkv7, {**SIZES, "rank": 3}),
}
every_cell = pytest.mark.parametrize("name", CASES)


@every_cell
def test_a_window_is_what_the_equations_say(make, name):
    reference, options = CASES[name]
    cell, inputs = make(name, **options), some_inputs()
    outputs, _ = cell(inputs, None)
    torch.testing.assert_close(outputs, reference(cell, inputs), rtol=1e-9, atol=1e-10)


@every_cell
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tokens_one_by_one_are_a_window(make, name, dtype):
    cell, inputs = make(name, **CASES[name][1]).to(dtype), some_inputs().to(dtype)
    outputs, after = cell(inputs, None)
    state, steps = None, []
    for t in range(WINDOW):
        step, state = cell(inputs[:, t : t + 1], state)
        steps.append(step)
    close = {torch.float32: 1e-4, torch.float64: 1e-10}[dtype]
    torch.testing.assert_close(torch.cat(steps, 1), outputs, rtol=close, atol=close)
    torch.testing.assert_close(state, after, rtol=close, atol=close)


@pytest.mark.parametrize("name", ["mlstm", "slstm"])
@pytest.mark.parametrize("bias", [-300.0, 300.0])
def test_gates_beyond_what_exp_can_hold_are_finite(make, name, bias):
    cell = make(name, **SIZES).float()
    entry = cell.gates.bias[:2] if name == "mlstm" else cell.inputs.bias.view(2, 4, -1)[:, 1]
    entry.data += bias
    outputs, _ = cell(some_inputs().float(), None)
    assert outputs.isfinite().all()
    outputs.sum().backward()
    assert all(p.grad.isfinite().all() for p in cell.parameters() if p.grad is not None)
