"""Weight drop and zoneout are what their papers say, around any cell.

Shapes: B rows, T window, I input size, H hidden size.
"""

from __future__ import annotations

import shutil

import pytest
import torch

import seqlab
from seqlab.kernels import use_kernels

from .recipes import copies, drawn, losses, mask

B, T, SIZE, H = 3, 5, 4, 6
LSTM = {"name": "lstm", "hidden_size": H}
SEPARATE = {"sampler": {"name": "consecutive", "batch_size": 4, "window": 16}}


@pytest.fixture
def make(registry):
    """Makes a cell from its section, with weights of a seed."""

    def made(name, size=SIZE, **options):
        from seqlab.testing import Subject

        torch.manual_seed(3)
        return Subject.of_component(registry.find("cell", name), options, registry).build(size)

    return made


def lstm_step(x, h, c, w):
    """An LSTM as torch has it, by its four weights."""
    i, f, g, o = (w["ih"] @ x + w["bih"] + w["hh"] @ h + w["bhh"]).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def lstm_weights(parameters):
    short = {"ih": "weight_ih_l0", "hh": "weight_hh_l0", "bih": "bias_ih_l0", "bhh": "bias_hh_l0"}
    return {
        s: next(p for n, p in parameters.items() if n.endswith(long)) for s, long in short.items()
    }


def reference(w, inputs, keep=None):
    """Rows and steps one by one; `keep(h, c, t, b)` changes a state by the one before."""
    rows = []
    for b in range(len(inputs)):
        h = c = torch.zeros(H, dtype=torch.float64)
        outputs = []
        for t in range(inputs.shape[1]):
            new = lstm_step(inputs[b, t], h, c, w)
            h, c = new if keep is None else keep((h, c), new, t, b)
            outputs.append(h)
        rows.append(torch.stack(outputs))
    return torch.stack(rows)


@pytest.mark.parametrize("kernels", ["auto", "reference"])
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_weight_drop_is_its_paper_for_twenty_steps(make, share, kernels):
    cell = make("weight_drop", inner=LSTM, share=share).double().train()
    inputs, wanted, own = drawn(B, T, SIZE), drawn(B, T, H, seed=1), copies(cell)

    def dropped(step):
        return mask(4 * H, H, share=share, seed=step)

    def loss(step):
        return (cell.with_masks(inputs, None, [dropped(step)])[0] - wanted).square().mean()

    def slow(step):
        w = lstm_weights(own)
        w["hh"] = w["hh"] * dropped(step)
        return (reference(w, inputs) - wanted).square().mean()

    with use_kernels(kernels):
        found = losses(loss, cell.parameters())
    assert found == pytest.approx(losses(slow, own.values()), rel=1e-5)


@pytest.mark.parametrize("kernels", ["auto", "reference"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_weights_drop_in_training_alone_and_alike_for_ids(make, name, kernels):
    cell = make("weight_drop", inner={"name": name, "hidden_size": H}, share=0.5)
    plain = make(name, hidden_size=H)
    ids = torch.tensor([[0, 1, 3, 2], [3, 3, 1, 0]])
    with use_kernels(kernels):
        assert torch.equal(cell.eval().from_ids(ids, None)[0], plain.from_ids(ids, None)[0])
        torch.manual_seed(0)
        first = cell.train().from_ids(ids, None)[0]
        torch.manual_seed(0)
        one_hots = torch.nn.functional.one_hot(ids, SIZE).float()
        assert torch.allclose(first, cell(one_hots, None)[0], atol=1e-6)
        assert not torch.allclose(first, plain.from_ids(ids, None)[0], atol=1e-3)
        cell.eval()
        assert torch.allclose(cell(one_hots, None)[0], plain(one_hots, None)[0], atol=1e-6)


def test_a_name_that_no_matrix_has_is_refused_with_those_that_there_are(make):
    with pytest.raises(ValueError, match=r"is like \['\*hidden\*'\].*weight_hh_l0"):
        make("weight_drop", inner=LSTM, match=["*hidden*"])


@pytest.mark.parametrize("training", [True, False])
def test_zoneout_is_its_paper_for_twenty_steps(make, training):
    shares = [0.3, 0.6]
    cell = make("zoneout", inner=LSTM, share=shares).double().train(training)
    inputs, wanted, own = drawn(B, T, SIZE), drawn(B, T, H, seed=1), copies(cell)

    def stays(step, t, part):
        """(B, H) for h (0) or c (1) at step t of a window."""
        seed = (step * T + t) * 2 + part
        return mask(B, H, share=1 - shares[part], seed=seed) > 0

    def masks(step):
        return lambda t, tensors: [stays(step, t, part) for part in range(len(tensors))]

    def loss(step):
        outputs = cell.with_masks(inputs, None, masks(step)) if training else cell(inputs, None)
        return (outputs[0] - wanted).square().mean()

    def slow(step):
        def keep(old, new, t, b):
            if not training:
                return tuple(s * o + (1 - s) * n for s, o, n in zip(shares, old, new, strict=True))
            z = [stays(step, t, part)[b].double() for part in range(2)]
            return tuple(m * o + (1 - m) * n for m, o, n in zip(z, old, new, strict=True))

        return (reference(lstm_weights(own), inputs, keep) - wanted).square().mean()

    assert losses(loss, cell.parameters()) == pytest.approx(losses(slow, own.values()), rel=1e-5)


def test_of_a_state_with_another_number_of_tensors_the_shares_are_refused(make):
    cell = make("zoneout", inner={"name": "gru", "hidden_size": H}, share=[0.1, 0.2])
    with pytest.raises(ValueError, match="share: has 2 numbers for 1 tensors"):
        cell(torch.zeros(1, 1, SIZE), None)


def test_both_go_on_to_the_bit_with_everything_else_of_a_regularised_lstm(tmp_path, facts):
    experiment = {
        **SEPARATE,
        "corpus": {"name": "original_lyrics", "max_characters": 1500, "holdout": 0.2},
        "tokenizer": {"name": "characters", "unknown": "token"},
        "model": {
            "embedding": {"name": "learned", "size": 8, "word_dropout": 0.1, "range": 0.1},
            "dropout": {"embedding": 0.3, "layers": 0.2, "outputs": 0.4, "locked": True},
            "tie_weights": True,
            "initial": [{"match": ["*bias_hh*"], "forget_bias": 1.0}],
        },
        "cell": {
            "name": "stack",
            "layers": [
                {"name": "weight_drop", "inner": LSTM},
                {"name": "zoneout", "inner": {"name": "lstm", "hidden_size": 10}},
            ],
        },
        "objective": {"name": "next_token", "activation": 2.0, "temporal_activation": 1.0},
        "optimizer": {"name": "sgd", "lr": 1.0, "clip_norm": 0.25},
        "evaluation": {"every": 3},
        "train": {"steps": 6, "checkpoint": {"every": 3, "keep": 9}},
        "observers": [],
    }
    run = seqlab.run(experiment, run_dir=tmp_path / "run")
    assert {"activation", "temporal_activation"} <= run.metrics[-1].keys()
    assert run.model.embedding.weight is run.model.head.inner.weight
    copy = shutil.copytree(run.path, tmp_path / "copy")
    assert facts(seqlab.resume(copy, checkpoint=3)) == facts(run)
