"""The cells are torch's layers: the same numbers, whole windows or ids or steps."""

from __future__ import annotations

import pytest
import torch
from seqlab_plugins.cells import recurrent
from torch import nn
from torch.nn import functional

import seqlab
from seqlab import ExperimentError, read_experiment
from seqlab.registry import resolve
from seqlab.testing import check_cell

FUSED = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
V, H, B, T = 7, 5, 3, 6

every_cell = pytest.mark.parametrize("name", FUSED)
depths = pytest.mark.parametrize("layers", [1, 2])


@pytest.fixture
def make(registry):
    """Build a cell as an experiment does, in double precision."""

    def make(name, *, input_size=V, hidden_size=H, layers=1, **options):
        torch.manual_seed(0)
        factory = registry.find("cell", name).factory
        return factory(input_size, hidden_size=hidden_size, num_layers=layers, **options).double()

    return make


def torchs_own(cell, name):
    """Torch's layer of the same depth, with the cell's weights."""
    fused = FUSED[name](V, H, num_layers=len(cell.layers), batch_first=True).double()
    weights = [p for layer in cell.layers for p in layer.parameters()]
    for mine, its in zip(fused.parameters(), weights, strict=True):
        mine.data.copy_(its)
    return fused


def some_ids() -> torch.Tensor:
    return torch.randint(V, (B, T), generator=torch.Generator().manual_seed(1))


def one_hots(ids: torch.Tensor) -> torch.Tensor:
    return functional.one_hot(ids, V).double()


def prepared(cell, read, ids):
    """One of the two ways into a cell, and the window of `ids` as that way takes it."""
    return getattr(cell, read), ids if read == "from_ids" else one_hots(ids)


def tensors(state) -> list[torch.Tensor]:
    return [state] if isinstance(state, torch.Tensor) else [t for p in state for t in tensors(p)]


def assert_same(ours, theirs):
    """Outputs and all tensors of the state agree to 1e-6."""
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(tensors(ours[1]), tensors(theirs[1]), rtol=0, atol=1e-6)


def assert_is_torchs(ours, theirs):
    """Torch stacks layers in the first dimension of h and c; here each layer has its own."""
    outputs, state = theirs
    parts = state if isinstance(state, tuple) else (state,)
    by_layer = [part[layer] for layer in range(len(parts[0])) for part in parts]
    assert_same(ours, (outputs, tuple(by_layer)))


@every_cell
@depths
def test_a_window_of_one_hots_gives_torchs_outputs_and_state(make, name, layers):
    cell = make(name, layers=layers)
    inputs = one_hots(some_ids())
    assert_is_torchs(cell(inputs, None), torchs_own(cell, name)(inputs))


@every_cell
@depths
def test_ids_give_torchs_outputs_and_state(make, name, layers):
    cell = make(name, layers=layers)
    theirs = torchs_own(cell, name)(one_hots(some_ids()))
    assert_is_torchs(cell.from_ids(some_ids(), None), theirs)


@every_cell
@depths
def test_cells_of_any_depth_keep_every_promise(registry, name, layers):
    check_cell(registry.find("cell", name).factory, hidden_size=H, num_layers=layers)


@pytest.mark.parametrize("read", ["forward", "from_ids"])
@every_cell
def test_the_textbooks_window_has_the_textbooks_shapes(make, name, read):
    cell = make(name, hidden_size=256)
    method, inputs = prepared(cell, read, torch.zeros(2, 35, dtype=torch.int64))
    outputs, (state,) = method(inputs, None)
    assert outputs.shape == (2, 35, cell.output_size) == (2, 35, 256)
    assert [part.shape for part in tensors(state)] == [(2, 256)] * (2 if name == "lstm" else 1)
    assert isinstance(state, tuple) == (name == "lstm")


@every_cell
def test_dropout_lies_between_layers_and_only_in_training(make, name):
    cell = make(name, layers=2, dropout=0.5)
    whole = cell.eval().from_ids(some_ids(), None)
    assert_same(whole, make(name, layers=2).from_ids(some_ids(), None))
    dropped = cell.train().from_ids(some_ids(), None)
    assert tensors(dropped[1][0])[0].equal(tensors(whole[1][0])[0])
    assert not dropped[0].allclose(whole[0])


@every_cell
def test_a_cell_that_reads_backwards_is_refused_where_it_would_have_seen_the_target(tiny, name):
    section = {"name": name, "bidirectional": True}
    with pytest.raises(ExperimentError, match="its cells read ahead, and objective NextToken"):
        seqlab.run(tiny | {"cell": section}, run_dir="run")


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_cell_that_reads_both_ways_is_torchs(name, layers):
    torch.manual_seed(0)
    cell = getattr(recurrent, name)(5, hidden_size=4, num_layers=layers, bidirectional=True)
    layer = getattr(torch.nn, name)(5, 4, layers, batch_first=True, bidirectional=True)
    for number, (onward, back) in enumerate(zip(cell.layers, cell.back, strict=True)):
        for weight in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(layer, f"{weight}_l{number}").data = getattr(onward, f"{weight}_l0").data
            own = getattr(back, f"{weight}_l0").data
            getattr(layer, f"{weight}_l{number}_reverse").data = own
    inputs = torch.randn(3, 7, 5)
    outputs, state = cell(inputs, None)
    torch.testing.assert_close(outputs, layer(inputs)[0])
    assert cell.output_size == outputs.shape[-1] == 8
    assert len(state) == layers


@every_cell
@pytest.mark.parametrize("option", ["hidden_size", "num_layers"])
def test_a_cell_of_no_size_is_refused(registry, tiny, name, option):
    with pytest.raises(ExperimentError, match=rf"cell\.{option}: should be greater than 0"):
        resolve(read_experiment(tiny | {"cell": {"name": name, option: 0}}), registry)


@every_cell
def test_bfloat16_is_near_float32_whether_onednn_has_it_or_not(make, name):
    cell, inputs = make(name).float(), torch.randn(B, T, V)
    exact, _ = cell(inputs, None)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, _ = cell(inputs, None)
    torch.testing.assert_close(outputs.float(), exact, rtol=0, atol=0.02)
