"""Columns that a compiled loop gathers, and gradients that it sums, are those of one-hots."""

from __future__ import annotations

import sys

import pytest
import torch
from seqlab_plugins import columns as module
from seqlab_plugins import cores
from seqlab_plugins.columns import columns
from torch.nn import functional

needs_numba = pytest.mark.skipif(cores.compiled() is None, reason="Numba is an extra: seqlab[fast]")


@pytest.fixture(params=[1, 2, 3], ids="{} cores".format)
def _cores_taken(request):
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(1)


def results(weight, bias, ids, way):
    found = way(weight, bias, ids)
    total = (found * torch.linspace(-1, 1, found.numel()).view(found.shape)).sum()
    return found.detach(), *torch.autograd.grad(total, [weight, bias])


def by_one_hots(weight, bias, ids):
    return functional.one_hot(ids, weight.shape[1]).to(weight) @ weight.t() + bias


def drawn(length, inputs):
    generator = torch.Generator().manual_seed(0)
    shapes = (length, inputs), (length,)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("compiled", [pytest.param(True, marks=needs_numba), False])
@pytest.mark.parametrize("ids", [[[0]], [[3, 3, 3]], [[0, 16], [5, 15]], "many", "transposed"])
@pytest.mark.parametrize(("length", "inputs"), [(1, 17), (5, 33), (48, 64), (40, 70)])
@pytest.mark.usefixtures("_cores_taken")
def test_columns_and_gradients_are_those_of_one_hots(length, inputs, ids, compiled, monkeypatch):
    monkeypatch.setattr(module, "COMPILED_FROM", 0 if compiled else sys.maxsize)
    monkeypatch.setattr(module, "FEW", inputs + 1)
    if isinstance(ids, str):
        drawn_ids = torch.randint(inputs, (9, 30), generator=torch.Generator().manual_seed(1))
        ids = drawn_ids.t() if ids == "transposed" else drawn_ids
    weight, bias = drawn(length, inputs)
    ids = torch.as_tensor(ids)
    found = results(weight, bias, ids, columns)
    assert module._compiled_for(weight, bias, ids) is (cores.compiled() if compiled else None)
    torch.testing.assert_close(found, results(weight, bias, ids, by_one_hots))


@needs_numba
def test_what_is_not_a_number_stays_in_its_column(monkeypatch):
    monkeypatch.setattr(module, "COMPILED_FROM", 0)
    weight, bias = drawn(48, 64)
    with torch.no_grad():
        weight[7, 20] = torch.nan
    found, of_weight, _ = results(weight, bias, torch.arange(64), columns)
    assert found.isnan().nonzero().tolist() == [[20, 7]]
    assert of_weight.isfinite().all()


@needs_numba
@pytest.mark.parametrize("wrong", [-1, 64])
def test_an_id_that_is_no_column_is_refused(wrong, monkeypatch):
    monkeypatch.setattr(module, "COMPILED_FROM", 0)
    weight, bias = drawn(48, 64)
    with pytest.raises(IndexError, match=r"ids are -?\d+ … 6\d; there are 64 columns"):
        columns(weight, bias, torch.tensor([*range(64), wrong]))


@needs_numba
def test_ids_that_somebody_changes_meanwhile_change_no_gradient(monkeypatch):
    monkeypatch.setattr(module, "COMPILED_FROM", 0)
    weight, bias = drawn(48, 64)
    ids = torch.arange(64)
    found = columns(weight, bias, ids)
    ids.numpy()[:] = 10**9
    (gradient,) = torch.autograd.grad(found.sum(), [weight])
    assert torch.equal(gradient, torch.ones_like(weight))


@needs_numba
def test_float64_and_few_ids_are_left_to_torch():
    weight, bias = drawn(1024, 1024)
    many = torch.arange(1024)
    assert module._compiled_for(weight, bias, many) is cores.compiled()
    assert module._compiled_for(weight, bias, many[:9]) is None
    assert module._compiled_for(weight, bias[:9], many) is None
    assert module._compiled_for(weight.double(), bias.double(), many) is None
