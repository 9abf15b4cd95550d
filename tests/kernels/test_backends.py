"""Every backend of every operation gives what its reference gives, forwards and backwards."""

from __future__ import annotations

import gc

import pytest
import torch
from seqlab_plugins.cells.recurrent import GRU, LSTM, RNN
from torch import nn

import seqlab
from seqlab import kernels
from seqlab.kernels import Operation, use_kernels

RECURRENT = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
SIZES = [(1, 1, 1), (6, 1, 16), (2, 3, 5), (6, 33, 7), (6, 4, 16), (35, 32, 128)]  # T, B, H
FEW, MANY = (5, 4, 16), (300, 12, 20_000)  # N, O, V: logits that are held at once, and not


def draw(*shapes, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes
    ]


def window(cell, sizes, dtype):
    t, b, h = sizes
    g = cell.gates * h
    x, state, weight, bias, c = draw((t, b, g), (b, h), (g, h), (g,), (b, h), dtype=dtype)
    return x, (state, c) if cell is LSTM else state, weight / h**0.5, bias


def layer(cell, sizes, dtype):
    t, b, h = sizes
    torch.manual_seed(0)
    made = cell.torch_layer(5, h, batch_first=True).to(dtype)
    inputs, state, c = draw((b, t, 5), (b, h), (b, h), dtype=dtype)
    return made, inputs, (state, c) if cell is LSTM else state


def greedy(cell, sizes, dtype):
    t, b, h = sizes
    g, v = cell.gates * h, 53
    table, weight, bias, head, head_bias, state, c = draw(
        (v, g), (g, h), (g,), (v, h), (v,), (b, h), (b, h), dtype=dtype
    )
    ids = torch.arange(b) % v
    return table, weight, bias, head, head_bias, t, ids, (state, c) if cell is LSTM else state


def scanned(sizes, dtype):
    decay, inputs, initial = draw(sizes, sizes, (sizes[0], *sizes[2:]), dtype=dtype)
    return decay.sigmoid(), inputs, initial


def logits(sizes, dtype):
    n, _, v = sizes
    return *draw((n, v), (v,), dtype=dtype), torch.arange(n) % v


def head(sizes, dtype, shares):
    n, o, v = sizes
    hidden, weight, bias = draw((n, o), (v, o), (v,), dtype=dtype)
    weights = torch.arange(n) / n if shares == "each its own" else 1 / n
    return hidden, weight / o**0.5, bias, torch.arange(n) * 7 % v, weights


def product(sizes, dtype):
    return tuple(draw(sizes[:2], sizes[1:], dtype=dtype))


SCANS = [(1, 1), (2, 7), (1, 6, 5), (3, 40, 2, 9), (2, 65, 3)]
TABLE = [
    *((f"window of {n}", c.window, window, (c, s)) for n, c in RECURRENT.items() for s in SIZES),
    *((f"layer of {n}", c.layer, layer, (c, s)) for n, c in RECURRENT.items() for s in SIZES),
    *((f"greedy {n}", c.greedy, greedy, (c, s)) for n, c in RECURRENT.items() for s in SIZES[:-1]),
    *(("scan", kernels.scan, scanned, (s,)) for s in SCANS),
    *(("softmax errors", kernels.softmax_errors, logits, (s,)) for s in (FEW, (40, 1, 1027))),
    *(
        ("linear loss", kernels.linear_loss, lambda s, w, dtype: head(s, dtype, w), (s, w))
        for s in (FEW, MANY)
        for w in ("one for all", "each its own")
    ),
    *(("product", kernels.product_in_lines, product, (s,)) for s in (FEW, (40, 24, 1027))),
]
CASES = [
    pytest.param(
        *(operation, backend.name, dtype, make, given, cores),
        id=f"{name}, {backend.name}, {dtype}, {cores}",
    )
    for name, operation, make, given in TABLE
    for backend in operation.backends
    for dtype in (torch.float32, torch.float64)
    for cores in ((1, 2) if backend.name == "numba" else (1,))
    if (backend.device != "cuda" or torch.cuda.is_available())
    and (not backend.dtypes or dtype in backend.dtypes)
]


@pytest.fixture(autouse=True)
def _one_core():
    yield
    torch.set_num_threads(1)


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, nn.Module):
        return list(value.parameters())
    return [t for part in value for t in tensors(part)] if isinstance(value, tuple | list) else []


def results(operation, arguments):
    """What comes out, and the gradients of a function of it, on copies of what is given."""
    copies = [_copy(each) for each in arguments]
    inputs = [t for t in tensors(copies) if t.is_floating_point()]
    found = tensors(operation(*copies))
    if not any(part.requires_grad for part in found):
        return found, []
    weights = torch.linspace(-1, 1, found[0].numel(), dtype=found[0].dtype)
    total = (found[0].flatten() * weights).sum() + sum(
        part.square().sum() for part in found if part.requires_grad
    )
    return [p.detach() for p in found], torch.autograd.grad(total, inputs, allow_unused=True)


def _copy(value):
    if isinstance(value, torch.Tensor):
        return value.clone().requires_grad_(value.is_floating_point() and torch.is_grad_enabled())
    return tuple(map(_copy, value)) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("operation", "backend", "dtype", "make", "given", "cores"), CASES)
def test_a_backend_gives_what_the_reference_gives(operation, backend, dtype, make, given, cores):
    torch.set_num_threads(cores)
    arguments = make(*given, dtype)
    gradients = torch.no_grad if operation is kernels.softmax_errors else torch.enable_grad
    if "greedy" in make.__name__ or operation is kernels.product_in_lines:
        gradients = torch.no_grad
    with gradients():
        with use_kernels("reference"):
            expected, expected_grads = results(operation, arguments)
        with use_kernels(backend):
            assert kernels.choose(operation, arguments) is not operation.reference or (
                operation.form(arguments) is None
            ), "the backend is there"
            found, grads = results(operation, arguments)
    close = 2e-6 if dtype == torch.float32 else 1e-12
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=10 * close, atol=10 * close)
    for grad, plain in zip(grads, expected_grads, strict=True):
        if plain is not None and grad is not None:  # of the shares there is none
            assert (grad - plain).abs().max() <= 10 * close * max(plain.abs().max(), 1e-3)


def test_the_table_has_every_operation():
    made = {id(each) for each in gc.get_objects() if type(each) is Operation}
    shipped = [each for each in gc.get_objects() if type(each) is Operation and _shipped(each)]
    assert made
    assert {id(each) for each in shipped} <= {id(operation) for _, operation, *_ in TABLE}


def _shipped(operation):
    module = getattr(operation.reference, "__module__", "") or ""
    cell = getattr(operation.reference, "__qualname__", "")
    return module.startswith("seqlab.kernels") and "greedy" not in cell


def test_what_numba_computes_is_there_where_numba_is():
    names = {name for _, name, *_ in (case.values for case in CASES)}
    assert {"torch", "chunks", "blas", "onednn"} <= names
    assert ("numba" in names) or seqlab.why_not_compiled()
