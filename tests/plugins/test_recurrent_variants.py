"""The recurrences of their papers, row by row and step by step, for twenty steps of training.

Shapes: B rows, T window, I input size, H hidden size.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from seqlab.testing import Subject

from .recipes import copies, drawn, losses

B, T, SIZE, H = 2, 5, 4, 6
ZERO = torch.zeros(H, dtype=torch.float64)


@pytest.fixture
def make(registry):
    def made(name, size=SIZE, **options):
        torch.manual_seed(3)
        options = {"hidden_size": H, **options}
        return Subject.of_component(registry.find("cell", name), options, registry).build(size)

    return made


def normal(x, gain, shift=0.0):
    spread = ((x - x.mean()) ** 2).mean()
    return (x - x.mean()) / (spread + 1e-5).sqrt() * gain + shift


def linear(w, name, x):
    y = w[f"{name}.weight"] @ x
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def layer_norm_lstm(w, x, state):
    h, c = state or (ZERO, ZERO)
    gates = normal(linear(w, "project", x), w["norm_inputs.weight"])
    gates = gates + normal(
        linear(w, "recurrent", h), w["norm_recurrent.weight"], w["norm_recurrent.bias"]
    )
    i, f, g, o = gates.chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * normal(c, w["norm_memory.weight"], w["norm_memory.bias"]).tanh()
    return h, (h, c)


def peephole_lstm(w, x, state):
    h, c = state or (ZERO, ZERO)
    i, f, g, o = (linear(w, "project", x) + linear(w, "recurrent", h)).chunk(4)
    p = w["peepholes"]
    i, f = (i + p[0] * c).sigmoid(), (f + p[1] * c).sigmoid()
    c = f * c + i * g.tanh()
    h = (o + p[2] * c).sigmoid() * c.tanh()
    return h, (h, c)


def multiplicative_lstm(w, x, state):
    h, c = state or (ZERO, ZERO)
    x = linear(w, "project", x)
    m = x[:H] * linear(w, "factor", h)
    i, f, g, o = (x[H:] + linear(w, "recurrent", m)).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return h, (h, c)


def mogrifier_lstm(w, x, state):
    h, c = state or (ZERO, ZERO)
    for number in range(1, 6):
        name = f"rounds.{number - 1}"
        apply = (
            (lambda v, n=name: linear(w, f"{n}.1", linear(w, f"{n}.0", v)))
            if (f"{name}.0.weight" in w)
            else (lambda v, n=name: linear(w, n, v))
        )
        if number % 2:
            x = 2 * apply(h).sigmoid() * x
        else:
            h = 2 * apply(x).sigmoid() * h
    i, f, g, o = (linear(w, "inputs", x) + linear(w, "recurrent", h)).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return h, (h, c)


def recurrent_highway(w, x, state):
    s, x = ZERO if state is None else state, linear(w, "project", x)
    for layer in range(3):
        change, gate = linear(w, f"layers.{layer}", s).chunk(2)
        if layer == 0:
            change, gate = change + x[:H], gate + x[H:]
        s = change.tanh() * gate.sigmoid() + s * (1 - gate.sigmoid())
    return s, s


def ind_rnn(w, x, state):
    h = ZERO if state is None else state
    h = (linear(w, "project", x) + w["recurrent"] * h).relu()
    return h, h


def sru(w, x, state):
    c, parts = ZERO if state is None else state, linear(w, "project", x).split(H)
    (v_f, v_r), (b_f, b_r) = w["peepholes"], w["bias"]
    f, r = (parts[1] + v_f * c + b_f).sigmoid(), (parts[2] + v_r * c + b_r).sigmoid()
    c = f * c + (1 - f) * parts[0]
    past = parts[3] if len(parts) > 3 else x
    return r * c + (1 - r) * past * math.sqrt(1 + 2 * math.exp(-1)), c


def qrnn(width):
    def step(w, x, state):
        c, seen = state or (ZERO, [torch.zeros(SIZE, dtype=torch.float64)] * (width - 1))
        seen = [*seen, x]
        kernel, bias = w["convolution.weight"], w["convolution.bias"]
        z, f, o = (sum(kernel[:, :, k] @ seen[k] for k in range(width)) + bias).chunk(3)
        c = f.sigmoid() * c + (1 - f.sigmoid()) * z.tanh()
        return o.sigmoid() * c, (c, seen[1:])

    return step


CELLS = [
    ("layer_norm_lstm", {}, layer_norm_lstm),
    ("peephole_lstm", {}, peephole_lstm),
    ("multiplicative_lstm", {}, multiplicative_lstm),
    ("mogrifier_lstm", {}, mogrifier_lstm),
    ("mogrifier_lstm", {"rank": 2}, mogrifier_lstm),
    ("recurrent_highway", {"depth": 3}, recurrent_highway),
    ("ind_rnn", {}, ind_rnn),
    ("sru", {"highway_bias": -1.0}, sru),
    ("sru", {"highway_bias": -1.0, "size": H}, sru),
    ("qrnn", {"width": 1}, qrnn(1)),
    ("qrnn", {"width": 3}, qrnn(3)),
]


@pytest.mark.parametrize(
    ("name", "options", "step"), CELLS, ids=[f"{name}-{options}" for name, options, _ in CELLS]
)
def test_it_is_its_paper_for_twenty_steps(make, name, options, step):
    size = options.get("size", SIZE)
    cell = make(name, **options).double()
    inputs, wanted, own = drawn(B, T, size), drawn(B, T, H, seed=1), copies(cell)

    def slow(_):
        rows = []
        for row in inputs:
            state, outputs = None, []
            for x in row:
                output, state = step(own, x, state)
                outputs.append(output)
            rows.append(torch.stack(outputs))
        return (torch.stack(rows) - wanted).square().mean()

    found = losses(lambda _: (cell(inputs, None)[0] - wanted).square().mean(), cell.parameters())
    assert found == pytest.approx(losses(slow, own.values()), rel=1e-5)
    assert found[-1] < found[0]


def test_a_memory_without_a_new_input_keeps_what_it_has(make):
    """Of a highway with shut gates, and of an SRU with open forget gates."""
    highway = make("recurrent_highway", transform_bias=-50.0)
    state = torch.randn(B, H)
    assert torch.allclose(highway(torch.zeros(B, 3, SIZE), state)[1], state)
    unit = make("sru")
    with torch.no_grad():
        unit.bias[0] = 50.0
    assert torch.allclose(unit(torch.randn(B, 3, SIZE), state)[1], state)


def test_a_mogrifier_without_rounds_is_an_lstm(make):
    plain, mogrifier = make("lstm"), make("mogrifier_lstm", rounds=0)
    layer = plain.layers[0]
    with torch.no_grad():
        layer.weight_ih_l0.copy_(mogrifier.inputs.weight)
        layer.weight_hh_l0.copy_(mogrifier.recurrent.weight)
        layer.bias_ih_l0.copy_(mogrifier.inputs.bias)
        layer.bias_hh_l0.zero_()
    inputs = torch.randn(B, T, SIZE)
    assert torch.allclose(plain(inputs, None)[0], mogrifier(inputs, None)[0], atol=1e-6)


@pytest.mark.parametrize("size", [SIZE, H])
def test_weights_of_an_independent_network_begin_between_zero_and_one(make, size):
    weight = make("ind_rnn", size).recurrent.detach()
    assert float(weight.min()) >= 0
    assert float(weight.max()) <= 1
    assert functional.mse_loss(weight, weight.mean().expand_as(weight)) > 0
