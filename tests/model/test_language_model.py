"""What the core wraps around any cell: embedding, stack, norm, residual, head."""

from __future__ import annotations

import pytest
import torch
from seqlab_plugins.cells.recurrent import GRU, LSTM
from seqlab_plugins.embeddings import OneHot
from torch import nn

from benchmarks.plain_model import language_model
from seqlab import ExperimentError, unroll
from seqlab.model.language_model import LanguageModel

V, H, B, T = 11, 6, 2, 5
IDS = torch.randint(V, (B, T), generator=torch.Generator().manual_seed(0))


class Plain(nn.Module):
    """A cell of a stranger: no from_ids, one step."""

    def __init__(self, input_size, output_size=H):
        super().__init__()
        self.output_size = output_size
        self.inner = nn.Linear(input_size, output_size)

    @unroll
    def forward(self, inputs, state):
        state = (self.inner(inputs) + state).tanh()
        return state, state


class Identity(nn.Module):
    """Gives back what it is given."""

    def __init__(self, input_size):
        super().__init__()
        self.output_size = input_size

    def forward(self, inputs, state):
        return inputs, inputs[:, -1]


class WithoutIds(nn.Module):
    """The same GRU for who can only show it one-hots."""

    def __init__(self, input_size):
        super().__init__()
        self.output_size, self.inner = H, gru(input_size)

    def forward(self, inputs, state):
        return self.inner(inputs, state)


def model(cell=Plain, **settings) -> LanguageModel:
    torch.manual_seed(0)
    return language_model(V, cell, **settings).eval()


def gru(input_size):
    return GRU(input_size, hidden_size=H)


@pytest.mark.parametrize("embedding", ["one_hot", 4, H])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("norm", [None, "layer", "rms"])
@pytest.mark.parametrize("cell", [Plain, gru])
def test_every_model_gives_logits_for_every_token_and_a_state_for_every_layer(
    cell, embedding, layers, norm
):
    logits, state = model(cell, embedding=embedding, layers=layers, norm=norm)(IDS, None)
    assert logits.shape == (B, T, V)
    assert len(state) == layers


@pytest.mark.parametrize("cell", [Plain, gru, lambda size: LSTM(size, hidden_size=H, num_layers=2)])
@pytest.mark.parametrize("layers", [1, 2])
def test_two_windows_that_carry_the_state_are_one(cell, layers):
    net = model(cell, layers=layers, norm="rms")
    whole, _ = net(IDS, None)
    first, state = net(IDS[:, :2], None)
    second, _ = net(IDS[:, 2:], state)
    torch.testing.assert_close(torch.cat((first, second), 1), whole)


def test_one_hots_are_never_built_for_a_cell_that_reads_ids():
    def refuse(embedding, inputs):
        pytest.fail("a one-hot was built")

    net = model(gru)
    assert isinstance(net.embedding, OneHot)
    net.embedding.register_forward_pre_hook(refuse)
    assert net(IDS, None)[0].shape == (B, T, V)


@pytest.mark.parametrize("training", [False, True])
def test_reading_ids_changes_no_number(training):
    outputs = []
    for cell in (gru, WithoutIds):
        net = model(cell, dropout=0.5).train(training)
        torch.manual_seed(1)
        outputs.append(net(IDS, None)[0])
    torch.testing.assert_close(*outputs)


def test_a_double_model_stays_double_with_any_cell():
    assert model(Plain).double()(IDS, None)[0].dtype == torch.float64


def test_tied_weights_are_one_parameter():
    net = model(embedding=H, tie_weights=True)
    assert net.head.weight is net.embedding.weight
    assert [n for n, _ in net.named_parameters() if "weight" in n and n.startswith("head")] == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"embedding": "one_hot", "tie_weights": True}, "needs a learned embedding"),
        ({"embedding": 4, "residual": True}, f"they are 4 and {H}"),
    ],
)
def test_what_cannot_fit_is_refused_with_the_sizes(settings, reason):
    with pytest.raises(ExperimentError, match=f"^model: .*{reason}"):
        model(**settings)


def test_a_residual_adds_the_inputs_of_a_layer_to_its_outputs():
    plain, residual = (model(Identity, embedding=H, residual=r) for r in (False, True))
    once, twice = (net.hidden(IDS, None)[0] for net in (plain, residual))
    torch.testing.assert_close(twice, 2 * once)


def test_a_one_hot_is_neither_normalised_nor_added():
    net = model(residual=True, norm="layer", layers=2)
    assert isinstance(net.layers[0].norm, nn.Identity)
    assert not net.layers[0].residual
    assert net.layers[1].residual


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_a_norm_gives_the_head_inputs_of_unit_size(norm):
    hidden, _ = model(Identity, embedding=64, norm=norm).hidden(IDS, None)
    torch.testing.assert_close(hidden.square().mean(-1), torch.ones(B, T), atol=0.01, rtol=0)


def test_dropout_zeroes_in_training_only():
    net = model(Identity, embedding=64, dropout=0.5)
    assert (net.hidden(IDS, None)[0] != 0).all()
    share = (net.train().hidden(IDS, None)[0] == 0).float().mean()
    assert 0.6 < share < 0.9


def test_dropout_also_zeroes_between_the_layers_of_a_stack():
    seen = []

    class Looks(Identity):
        def forward(self, inputs, state):
            seen.append((inputs == 0).float().mean().item())
            return torch.ones_like(inputs), inputs[:, -1]

    model(Looks, embedding=64, dropout=0.5, layers=2).train().hidden(IDS, None)
    assert seen == [pytest.approx(0.5, abs=0.1)] * 2


def test_every_layer_has_parameters_of_its_own():
    cells = [layer.cell for layer in model(embedding=H, layers=2).layers]
    assert not cells[0].inner.weight.equal(cells[1].inner.weight)


def test_a_row_is_predicted_as_if_it_were_alone():
    net = model(gru, layers=2, norm="rms")
    torch.testing.assert_close(net(IDS[1:], None)[0], net(IDS, None)[0][1:])
