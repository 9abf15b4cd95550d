"""The example cells are the equations of their papers, one token at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

CELLS = {
    "min_gru": {},
    "gated_linear_attention": {"heads": 2, "key_size": 3},
    "selective_state_space": {"state_size": 3, "filter_size": 4},
    "causal_attention": {"heads": 2},
}
B, T, I, O = 3, 21, 5, 8  # noqa: E741 # the letters of the promises


@pytest.fixture
def make(registry):
    """Build a cell as an experiment does."""

    def make(name, **options):
        torch.manual_seed(0)
        factory = registry.find("cell", name).factory
        return factory(I, hidden_size=O, **CELLS[name], **options)

    return make


def inputs(rows=B, window=T):
    return torch.randn(rows, window, I, generator=torch.Generator().manual_seed(1))


def in_windows(cell, whole, lengths):
    outputs, state = [], None
    for window in whole.split(lengths, 1):
        output, state = cell(window, state)
        outputs.append(output)
    return torch.cat(outputs, 1), state


def assert_same(ours, outputs, state):
    torch.testing.assert_close(ours[0], torch.stack(outputs, 1), rtol=0, atol=1e-5)
    torch.testing.assert_close(ours[1], state, rtol=0, atol=1e-5)


def test_min_gru_is_its_equations(make):
    cell, state, outputs = make("min_gru"), torch.zeros(B, O), []
    gate_weight, candidate_weight = cell.project.weight.chunk(2)
    gate_bias, candidate_bias = cell.project.bias.chunk(2)
    for x in inputs().unbind(1):
        gate = (x @ gate_weight.T + gate_bias).sigmoid()
        new = x @ candidate_weight.T + candidate_bias
        state = (1 - gate) * state + gate * torch.where(new >= 0, new + 0.5, new.sigmoid())
        outputs.append(state)
    assert_same(cell(inputs(), None), outputs, state)


@pytest.mark.parametrize("bias", [0.0, 30.0, -30.0, -3000.0])
@pytest.mark.parametrize("swing", [1.0, 100.0, 100_000.0])
def test_gated_linear_attention_is_its_equations_however_it_forgets(make, bias, swing):
    cell = make("gated_linear_attention")
    cell.decay[1].bias.data += bias
    cell.decay[0].weight.data[:, 0] *= swing  # of one token; the others forget as before
    # Of one-hot vectors all products are exact: what differs is the attention's own doing.
    ids = torch.randint(I, (B, T), generator=torch.Generator().manual_seed(1))
    given = functional.one_hot(ids, I).float()
    state, outputs = torch.zeros(B, 2, 3, 4), []
    for x in given.unbind(1):
        query, key, value = (p.view(B, 2, -1) for p in cell.project(x).split((6, 6, 8), -1))
        decay = (cell.decay(x).double().sigmoid() ** (1 / 16)).float().view(B, 2, 3)
        state = decay[..., None] * state + key[..., None] * value[..., None, :]
        read = torch.einsum("bnk,bnkv->bnv", query / math.sqrt(3), state)
        gate = functional.silu(cell.gate(x))
        outputs.append(cell.output(cell.norm(read).reshape(B, O) * gate))
    assert_same(cell(given, None), outputs, state)


def test_gradients_stay_finite_where_all_is_forgotten(make):
    cell = make("gated_linear_attention")
    cell.decay[1].bias.data -= 3000
    cell(inputs(), None)[0].sum().backward()
    assert all(p.grad.isfinite().all() for p in cell.parameters())


def test_a_selective_state_space_is_its_equations(make):
    cell, outputs = make("selective_state_space"), []
    seen, state = torch.zeros(B, 4, 2 * O), torch.zeros(B, 2 * O, 3)
    for x in inputs().unbind(1):
        new, gate = cell.project(x).chunk(2, -1)
        seen = torch.cat((seen[:, 1:], new[:, None]), 1)
        filtered = torch.einsum("bfd,df->bd", seen, cell.convolution.weight[:, 0])
        u = functional.silu(filtered + cell.convolution.bias)
        write, read, rank = cell.select(u).split((3, 3, 1), -1)
        step = functional.softplus(cell.step_size(rank))[..., None]
        state = (-step * cell.log_decay.exp()).exp() * state
        state = state + step * u[..., None] * write[:, None]
        y = torch.einsum("bdn,bn->bd", state, read) + cell.skip * u
        outputs.append(cell.output(y * functional.silu(gate)))
    assert_same(cell(inputs(), None), outputs, (seen[:, 1:], state))


def turned(vectors):
    """Rotary positions as RoFormer has them: pairs are complex numbers."""
    places, half = torch.arange(T, dtype=torch.float64), vectors.shape[-1] // 2
    frequency = (10_000.0 ** -(torch.arange(half) / half)).bfloat16().double()
    pairs = torch.complex(*vectors.double().chunk(2, -1))
    turned = pairs * torch.polar(torch.ones(()).double(), torch.outer(places, frequency))
    return torch.cat((turned.real, turned.imag), -1).float()


@pytest.mark.parametrize("context", [2, 6, T - 1, T, 100])
@pytest.mark.parametrize("lengths", [(T,), (10, 1, 10), (1,) * T])
def test_attention_is_that_of_one_window_with_a_band(make, context, lengths):
    cell = make("causal_attention", context=context)
    parts = cell.project(inputs()).view(B, T, 3, 2, O // 2).permute(2, 0, 3, 1, 4)
    query, key, value = parts  # (B, N, T, K)
    band = torch.ones(T, T, dtype=torch.bool).tril().triu(1 - context)
    read = functional.scaled_dot_product_attention(turned(query), turned(key), value, band)
    expected = cell.output(read.transpose(1, 2).reshape(B, T, O))
    outputs, (_, _, seen) = in_windows(cell, inputs(), lengths)
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-5)
    assert seen.tolist() == [T] * B


def test_rows_of_attention_may_have_seen_different_numbers_of_tokens(make):
    cell = make("causal_attention", context=100)
    states = [cell(inputs(1, n), None)[1] for n in (2, 30, 99)]
    together = tuple(torch.cat(parts) for parts in zip(*states, strict=True))
    outputs, (_, _, seen) = cell(inputs(), together)
    alone = [cell(inputs()[row : row + 1], states[row])[0] for row in range(B)]
    torch.testing.assert_close(outputs, torch.cat(alone), rtol=0, atol=1e-5)
    assert seen.tolist() == [2 + T, 30 + T, 99 + T]
