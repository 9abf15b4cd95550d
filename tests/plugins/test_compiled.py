"""Compiled loops say what torch's operations say, whatever the sizes, on one core or two."""

from __future__ import annotations

import sys

import pytest
import torch
from seqlab_plugins import cores, recurrences, scan
from seqlab_plugins.walks import BY_TORCH

import seqlab

T, B, H = 6, 4, 16
GATES = {"elman": 1, "gated": 3, "long_short": 4}
every_recurrence = pytest.mark.parametrize("name", GATES)
needs_numba = pytest.mark.skipif(cores.compiled() is None, reason="Numba is an extra: seqlab[fast]")


@pytest.fixture
def threads():
    yield torch.set_num_threads
    torch.set_num_threads(1)


def drawn(name, window=T, rows=B, hidden=H):
    """Inputs, the state before, the recurrent weight, and a bias if there is one."""
    generator = torch.Generator().manual_seed(1)
    gates = GATES[name]
    shapes = [(window, rows, gates * hidden), (rows, hidden), (gates * hidden, hidden)]
    shapes += {"gated": [(hidden,)], "long_short": [(rows, hidden)]}.get(name, [])
    given = [torch.randn(shape, generator=generator) for shape in shapes]
    given[2] /= hidden**0.5
    return [tensor.requires_grad_() for tensor in given]


def outputs(name, given, compiled, monkeypatch):
    monkeypatch.setattr(recurrences, "COMPILED_FROM", 0 if compiled else sys.maxsize)
    projected, state, weight, *more = given
    if name == "long_short":
        return recurrences.long_short(projected, (state, *more), weight)
    return (getattr(recurrences, name)(projected, state, weight, *more),)


def results(name, given, compiled, monkeypatch):
    """Everything that comes out, and the gradients of a function of it."""
    found = outputs(name, given, compiled, monkeypatch)
    weights = torch.linspace(-1, 1, found[0].numel())
    total = (found[0].flatten() * weights).sum() + sum(part.square().sum() for part in found)
    return [part.detach() for part in found], torch.autograd.grad(total, given)


@needs_numba
@every_recurrence
@pytest.mark.parametrize("cores_taken", [1, 2])
@pytest.mark.parametrize(
    ("window", "rows", "hidden"),
    [(1, 1, 1), (T, 1, H), (2, 3, 5), (T, 33, 7), (T, B, H), (35, 32, 128)],
)
def test_values_and_gradients_are_those_of_torchs_operations(
    name, cores_taken, window, rows, hidden, threads, monkeypatch
):
    threads(cores_taken)
    given = drawn(name, window, rows, hidden)
    (values, gradients), (wanted, wanted_gradients) = (
        results(name, given, compiled, monkeypatch) for compiled in (True, False)
    )
    torch.testing.assert_close(values, wanted, rtol=0, atol=2e-6)
    for found, plain in zip(gradients, wanted_gradients, strict=True):
        assert (found - plain).abs().max() <= 1e-5 * max(plain.abs().max(), 1e-3)


@needs_numba
@every_recurrence
def test_what_is_not_a_number_stays_so_and_in_its_row(name, monkeypatch):
    given = drawn(name)
    with torch.no_grad():
        given[0][2, 1] = torch.nan
        (found, *_) = outputs(name, given, True, monkeypatch)
    assert found[2:, 1].isnan().all()
    assert found[:2, 1].isfinite().all()
    assert found[:, [0, 2, 3]].isfinite().all()


@needs_numba
@every_recurrence
@pytest.mark.parametrize("size", [1e4, 3e38, torch.inf])
def test_gates_are_shut_and_open_where_inputs_are_large(name, size, monkeypatch):
    given = drawn(name)
    with torch.no_grad():
        given[0].copy_(given[0].sign() * size)
        found, wanted = (outputs(name, given, compiled, monkeypatch) for compiled in (True, False))
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-6, equal_nan=True)


@needs_numba
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (1, 6, 5), (3, 40, 2, 9)])
def test_a_scan_is_that_of_joined_neighbours_and_so_are_its_gradients(
    shape, backwards, threads, monkeypatch
):
    threads(2)
    generator = torch.Generator().manual_seed(1)
    given = [torch.rand(shape, generator=generator) for _ in range(2)]
    given.append(torch.randn(shape[0], *shape[2:], generator=generator))
    given = [tensor.requires_grad_() for tensor in given]

    def found(compiled_from):
        monkeypatch.setattr(scan, "COMPILED_FROM", compiled_from)
        states = scan._apply(*given, backwards)
        first = torch.autograd.grad(states.square().sum(), given, create_graph=True)
        second = torch.autograd.grad(sum(part.square().sum() for part in first), given)
        plain = torch.autograd.grad(scan._apply(*given, backwards).square().sum(), given)
        return [states.detach(), *(part.detach() for part in first), *second, *plain]

    torch.testing.assert_close(found(0), found(sys.maxsize), rtol=2e-5, atol=2e-5)


@needs_numba
@every_recurrence
def test_it_does_not_matter_how_what_is_given_lies_in_memory(name, monkeypatch):
    """Nor how the gradients that come lie there."""

    def turned(tensor):
        return tensor.detach().transpose(-1, -2).contiguous().transpose(-1, -2).requires_grad_()

    def found(given, compiled, turn):
        outputs_found = outputs(name, given, compiled, monkeypatch)
        sums = [turn(torch.cos(turn(part) * 3)).sum() for part in outputs_found]
        return torch.autograd.grad(sum(sums), given)

    given = drawn(name)
    with_turned = [turned(tensor) if tensor.dim() > 1 else tensor for tensor in given]
    plain = found(given, False, lambda part: part)
    mirrored = found(with_turned, True, lambda part: part.transpose(0, -1).contiguous())
    torch.testing.assert_close(mirrored, plain, rtol=1e-5, atol=1e-5)


@needs_numba
def test_nor_does_it_to_a_scan(monkeypatch):
    monkeypatch.setattr(scan, "COMPILED_FROM", 0)
    generator = torch.Generator().manual_seed(1)
    given = [torch.rand(3, 6, 4, 5, generator=generator) for _ in range(2)]
    given.append(torch.randn(3, 4, 5, generator=generator))
    turned = [part.transpose(-1, -2).contiguous().transpose(-1, -2) for part in given]
    wanted, found = (
        torch.autograd.grad(
            scan._apply(*parts, False).transpose(1, 3).cos().sum(),
            parts,
        )
        for parts in ([t.requires_grad_() for t in group] for group in (given, turned))
    )
    torch.testing.assert_close(found, wanted)


@needs_numba
def test_a_state_in_float64_is_left_to_torch():
    window, weight = torch.zeros(35, 32, 256), torch.zeros(256, 256)
    state = torch.zeros(32, 256, dtype=torch.float64)
    assert recurrences.walks_for(window, weight, torch.float32, [state]) is BY_TORCH


@needs_numba
@pytest.mark.parametrize("rows", [B // 2, 2 * B])
def test_a_state_of_other_rows_is_refused_as_torch_does(rows, monkeypatch):
    projected, state, weight, bias = drawn("gated")
    state = state.detach().repeat(2, 1)[:rows]
    with pytest.raises(RuntimeError, match="size"):
        outputs("gated", [projected, state, weight, bias], True, monkeypatch)


@needs_numba
@every_recurrence
def test_a_window_of_no_rows_has_gradients(name, monkeypatch):
    _, gradients = results(name, drawn(name, rows=0), True, monkeypatch)
    assert all(gradient.isfinite().all() for gradient in gradients)


@needs_numba
def test_the_last_memory_alone_has_gradients(monkeypatch):
    given = drawn("long_short")
    found, wanted = (
        torch.autograd.grad(outputs("long_short", given, compiled, monkeypatch)[1].sum(), given)
        for compiled in (True, False)
    )
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@needs_numba
def test_a_scan_broadcasts_as_ever(monkeypatch):
    monkeypatch.setattr(scan, "COMPILED_FROM", 0)
    decay, inputs, initial = torch.rand(3, 6, 1), torch.rand(3, 6, 4), torch.rand(1, 4)
    plain = scan.linear_scan(decay.expand(3, 6, 4), inputs, initial.expand(3, 4))
    torch.testing.assert_close(scan.linear_scan(decay, inputs, initial), plain)


@needs_numba
def test_states_of_inference_mode_are_walked_from(monkeypatch):
    given = [tensor.detach() for tensor in drawn("gated")]
    wanted = outputs("gated", given, False, monkeypatch)
    with torch.inference_mode():
        inside = [tensor.clone() for tensor in given]
        torch.testing.assert_close(
            outputs("gated", inside, True, monkeypatch), wanted, rtol=0, atol=2e-6
        )


@needs_numba
def test_sizes_that_do_not_pay_stay_with_torch_and_so_does_float64():
    small, exact = torch.zeros(H, H), torch.zeros(256, 256, dtype=torch.float64)
    window = torch.zeros(35, 32, 256)
    assert recurrences.walks_for(torch.zeros(T, B, H), small, torch.float32) is BY_TORCH
    assert recurrences.walks_for(window.double(), exact, torch.float64) is BY_TORCH
    assert recurrences.walks_for(window, exact.float(), torch.bfloat16) is BY_TORCH


@needs_numba
def test_the_textbooks_size_is_compiled():
    window, weight = torch.zeros(35, 32, 256), torch.zeros(256, 256)
    found = recurrences.walks_for(window, weight, torch.float32)
    assert found is cores.compiled().WALKS


def test_without_numba_torch_walks(monkeypatch):
    cached = cores.compiled, seqlab.why_not_compiled
    for each in cached:
        each.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    try:
        window, weight = torch.zeros(35, 32, 256), torch.zeros(256, 256)
        assert recurrences.walks_for(window, weight, torch.float32) is BY_TORCH
        assert cores.condition().endswith("there is no Numba; pip install 'seqlab[fast]'")
    finally:
        for each in cached:
            each.cache_clear()


@needs_numba
def test_a_run_learns_the_same_with_compiled_loops(tiny, monkeypatch):
    walked = []
    real = cores.compiled().WALKS
    spy = real._replace(gated=lambda *given: (walked.append(1), real.gated(*given)))
    monkeypatch.setattr(cores.compiled(), "WALKS", spy)

    def losses(compiled_from):
        monkeypatch.setattr(recurrences, "COMPILED_FROM", compiled_from)
        experiment = tiny | {"cell": {"name": "gru", "hidden_size": 32}, "train": {"epochs": 3}}
        return [float(line["loss"]) for line in seqlab.run(experiment).metrics]

    plain = losses(sys.maxsize)
    assert walked == []
    assert losses(0) == pytest.approx(plain, rel=1e-4)
    assert walked
