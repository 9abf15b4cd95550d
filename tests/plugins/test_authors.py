"""Cells give what their authors' published code gives; `fixtures/authors/make.py` ran it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from seqlab.registry import load_plugins

AUTHORS = Path(__file__).parents[1] / "fixtures" / "authors"
HEADS = {"hidden_size": 6, "heads": 2}
KEYS = {**HEADS, "key_size": 4}
CELLS = {  # whose weights have the names of the fixture; and the part that reads the recurrence
    "delta_net": ("norm", KEYS),
    "gated_delta_net": ("norm", KEYS),
    "gated_linear_attention": ("norm", KEYS),
    "hgrn2": ("norm", KEYS),
    "retention": ("norm", KEYS),
    "rwkv7": ("norm", {**HEADS, "rank": 5}),
    "mamba2": ("norm", {**HEADS, "state_size": 4}),
    "selective_state_space": ("output", {"hidden_size": 6, "state_size": 5}),
    "mlstm": ("norm", {"hidden_size": 8, "heads": 2, "key_size": 4}),
}


@pytest.fixture(scope="module")
def build():
    registry = load_plugins(folder=None)
    return lambda name, size, **options: registry.find("cell", name).factory(size, **options)


def _given(name):
    """The inputs, the numbers of the authors, and the weights."""
    with np.load(AUTHORS / f"{name}.npz") as stored:
        parts = {key: torch.from_numpy(stored[key]) for key in stored.files}
    return parts.pop("x"), parts.pop("read", None), parts


def _fill(cell, weights):
    """Set weights by name; the others stay."""
    wrong = cell.load_state_dict(weights, strict=False).unexpected_keys
    assert not wrong
    return cell.eval()


def _expect_equal(actual, expected):
    assert expected.abs().max() > 0.01  # there is something to compare
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
def _into(cell, part, inputs):
    """What a part of the cell is given, in one window and by steps."""
    seen = []
    getattr(cell, part).register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    cell(inputs, None)
    whole, state = seen.pop(), None
    for token in inputs.split(1, 1):
        _, state = cell(token, state)
    return whole, torch.stack(seen, 1)


@pytest.mark.parametrize("name", CELLS)
def test_a_recurrence_gives_the_numbers_of_its_authors(name, build):
    """In a window and step by step, from the same weights."""
    part, options = CELLS[name]
    inputs, read, weights = _given(name)
    cell = _fill(build(name, inputs.shape[-1], **options), weights)
    for given in _into(cell, part, inputs):
        _expect_equal(given.reshape(read.shape), read)


@torch.no_grad()
def test_slstm_gives_the_numbers_of_its_authors(build):
    """Their gates are i, f, z, o, each of all heads; ours are z, i, f, o of each head."""
    inputs, _, given = _given("slstm")
    order = [2, 0, 1, 3]
    weights = {
        "inputs.weight": given["weight"][order].transpose(0, 1).flatten(0, 2),
        "inputs.bias": given["bias"][order].transpose(0, 1).flatten(),
        "recurrent": given["recurrent"][:, order].flatten(1, 2).mT.contiguous(),
    }
    cell = _fill(build("slstm", inputs.shape[-1], **HEADS), weights)
    outputs, state = cell(inputs, None)
    for ours, theirs in zip(state, given["states"][:, :, -1], strict=True):
        _expect_equal(ours, theirs)
    by_head = given["states"][0].unflatten(-1, (2, 3))
    _expect_equal(outputs, functional.layer_norm(by_head, (3,)).flatten(2))


@torch.no_grad()
def test_s4d_gives_the_numbers_of_its_authors(build):
    """Their layer has no map before it, and a gated one after it, which is put in place of ours."""
    inputs, read, given = _given("s4d")
    size = inputs.shape[-1]
    weights = {
        "project.weight": torch.eye(size),
        "project.bias": torch.zeros(size),
        "log_step": given["kernel.log_dt"],
        "log_rate": given["kernel.log_A_real"],
        "frequency": given["kernel.A_imag"],
        "read": given["kernel.C"],
        "skip": given["D"],
    }
    cell = _fill(build("s4d", size, hidden_size=size, state_size=4), weights)
    cell.output = nn.Linear(size, 2 * size)
    last = {"weight": "output_linear.0.weight", "bias": "output_linear.0.bias"}
    _fill(cell.output, {ours: given[theirs].squeeze(-1) for ours, theirs in last.items()})
    _expect_equal(functional.glu(cell(inputs, None)[0]), read)


@torch.no_grad()
def test_rg_lru_gives_the_numbers_of_its_authors(build):
    """Lambda is their `a_param` with the other sign; maps around are 1, and the gate is gelu(1)."""
    inputs, read, given = _given("rg_lru")
    size = inputs.shape[-1]
    gates = [f"recurrence.{name}." for name in ("a_gate", "input_gate")]
    weights = {
        "project.weight": torch.eye(size),
        "project.bias": torch.zeros(size),
        "gate.weight": torch.zeros(size, size),
        "gate.bias": torch.ones(size),
        "convolution.weight": given["convolution.w"].T.unsqueeze(1),
        "convolution.bias": given["convolution.b"],
        "gates.weight": torch.cat([given[f"{gate}w"][0].T for gate in gates]),
        "gates.bias": torch.cat([given[f"{gate}b"][0] for gate in gates]),
        "decay": -given["recurrence.a_param"],
        "output.weight": torch.eye(size) / functional.gelu(torch.ones(())),
        "output.bias": torch.zeros(size),
    }
    cell = _fill(build("rg_lru", size, hidden_size=size), weights)
    _expect_equal(cell(inputs, None)[0], read)


@torch.no_grad()
def test_lru_gives_the_numbers_of_its_authors(build):
    """Their D is a diagonal; B and C have their real and imaginary parts apart."""
    inputs, read, given = _given("lru")
    size, states = inputs.shape[-1], len(given["nu_log"])
    weights = {
        "log_rate": given["nu_log"],
        "log_phase": given["theta_log"],
        "log_scale": given["gamma_log"],
        "write.weight": torch.stack((given["B_re"], given["B_im"]), 1).flatten(0, 1),
        "read.weight": torch.stack((given["C_re"], -given["C_im"]), 2).flatten(1),
        "skip.weight": given["D"].diag(),
    }
    cell = _fill(build("lru", size, hidden_size=size, state_size=states), weights)
    _expect_equal(cell(inputs, None)[0], read)


@torch.no_grad()
def test_qrnn_gives_the_numbers_of_its_authors(build):
    """Their f weighs what is new, so its weights change sign; the input before comes second."""
    inputs, read, given = _given("qrnn")
    size, hidden = inputs.shape[-1], read.shape[-1]
    sign = torch.tensor([1.0, -1.0, 1.0]).repeat_interleave(hidden)
    weight = given["linear.weight"].unflatten(1, (2, size)).transpose(1, 2).flip(2)
    weights = {
        "convolution.weight": weight * sign[:, None, None],
        "convolution.bias": given["linear.bias"] * sign,
    }
    cell = _fill(build("qrnn", size, hidden_size=hidden), weights)
    _expect_equal(cell(inputs, None)[0], read)


@torch.no_grad()
def test_sru_gives_the_numbers_of_its_authors(build):
    """Their recurrence is given the projected input as it is; ours scales it."""
    inputs, read, weights = _given("sru")
    hidden = read.shape[-1]
    cell = build("sru", inputs.shape[-1], hidden_size=hidden)
    weights["project.weight"][-hidden:] /= cell.scale
    _expect_equal(_fill(cell, weights)(inputs, None)[0], read)


@torch.no_grad()
def test_weight_drop_gives_the_numbers_of_its_authors():
    """From the mask that their code drew."""
    from seqlab_plugins.cells.noise import WeightDrop
    from seqlab_plugins.cells.recurrent import LSTM

    inputs, read, weights = _given("weight_drop")
    mask, hidden = weights.pop("mask"), read.shape[-1]
    cell = WeightDrop(inputs.shape[-1], inner=lambda size: LSTM(size, hidden_size=hidden))
    assert 0 < mask.count_nonzero() < mask.numel()
    inner = dict(cell.cell.named_parameters())
    for name, weight in weights.items():
        inner[next(one for one in inner if one.endswith(name))].copy_(weight)
    _expect_equal(cell.with_masks(inputs, None, [mask])[0], read)
