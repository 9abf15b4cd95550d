"""Dynamic evaluation, a neural cache and n-grams: their papers, token by token, and in runs.

Shapes: B rows, T window, V vocabulary size.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from seqlab_plugins.evaluation.dynamic import Dynamic
from seqlab_plugins.evaluation.kneser_ney import KneserNey
from seqlab_plugins.evaluation.neural_cache import NeuralCache
from seqlab_plugins.evaluation.ngrams import NGrams

import seqlab
from seqlab import Batch, Tokens
from seqlab.cli.main import call
from seqlab.testing.evaluation_methods import _Model
from seqlab.training.loss import token_nats

V = _Model.vocabulary


@pytest.fixture
def model():
    torch.manual_seed(1)
    return _Model().double().eval()


def text(count=200, seed=3):
    """Ids in which the next one often follows from the two before."""
    draw = np.random.default_rng(seed)
    ids = [0, 1]
    while len(ids) < count:
        ids.append(int((3 * ids[-1] + ids[-2]) % V if draw.random() < 0.7 else draw.integers(V)))
    return np.array(ids)


def batches(ids, rows=1, window=20):
    """A split as an evaluation would read it."""
    stride = (len(ids) - 1) // rows
    table = np.stack([ids[r * stride : r * stride + stride + 1] for r in range(rows)])
    for first in range(0, stride, window):
        part = torch.from_numpy(table[:, first : first + window + 1])
        yield Batch(part[:, :-1], part[:, 1:], torch.full((rows,), first > 0))


def tokens(ids):
    return lambda: Tokens(ids, np.zeros(1, np.int64))


def joined(parts):
    return torch.cat(list(parts), 1)


# -- dynamic evaluation


@pytest.mark.parametrize("form", ["sgd", "rms"])
def test_dynamic_evaluation_is_its_paper(model, form):
    training, ids = text(61, seed=9), text(41)
    method = Dynamic(
        tokens(training), lr=0.05, form=form, decay=0.02, segment=5, eps=0.1, statistics=4
    )
    found = joined(method.nats(model, batches(ids, window=20)))[0]
    torch.manual_seed(1)
    slow = _Model().double().eval()
    weights, state, wanted = list(slow.parameters()), None, []

    def gradients(inputs, targets, state):
        hidden, after = slow.hidden(inputs, state)
        nats = token_nats(slow.head(hidden), targets)
        return nats[0].tolist(), torch.autograd.grad(nats.mean(), weights), after.detach()

    start, squares = [w.detach().clone() for w in weights], [torch.zeros_like(w) for w in weights]
    for number in range(4):
        part = torch.from_numpy(training[5 * number : 5 * number + 6])[None]
        _, found_now, state = gradients(part[:, :-1], part[:, 1:], state)
        squares = [s + g**2 / 4 for s, g in zip(squares, found_now, strict=True)]
    roots, state = [s.sqrt() for s in squares], None
    mean = sum(float(r.sum()) for r in roots) / sum(r.numel() for r in roots)
    for first in range(0, 40, 5):
        part = torch.from_numpy(ids[first : first + 6])[None]
        nats, now, state = gradients(part[:, :-1], part[:, 1:], state)
        wanted += nats
        for w, g, r, before in zip(weights, now, roots, start, strict=True):
            step = g if form == "sgd" else g / (r + 0.1)
            pull = 0.02 * (torch.ones_like(r) if form == "sgd" else r / (mean + 1e-12))
            w.data += -0.05 * step + pull.clamp(max=1) * (before - w.data)
    assert found.tolist() == pytest.approx(wanted, rel=1e-5)


def test_what_repeats_itself_is_learned(model):
    ids = np.tile(np.array([4, 7, 1, 9, 2]), 60)
    static = joined(KneserNey(tokens(ids[:2]), order=1, network=0.999).nats(model, batches(ids)))
    torch.manual_seed(1)
    adapted = joined(Dynamic(tokens(ids), lr=0.5).nats(_Model().double().eval(), batches(ids)))
    assert float(adapted[:, -50:].mean()) < 0.5 * float(static[:, -50:].mean())


# -- the neural cache


@pytest.mark.parametrize("rows", [1, 3])
def test_a_neural_cache_is_its_paper(model, rows):
    size, share, flatness, ids = 7, 0.3, 0.8, text(91)
    method = NeuralCache(size=size, share=share, flatness=flatness)
    found = joined(method.nats(model, batches(ids, rows, window=11)))
    stride = 90 // rows
    for row in range(rows):
        own = torch.from_numpy(ids[row * stride : row * stride + stride + 1])[None]
        hidden = model.hidden(own[:, :-1], None)[0][0].detach()
        logits = model.head(hidden).log_softmax(-1).detach()
        for t in range(stride):
            target, p = int(own[0, t + 1]), float(logits[t, own[0, t + 1]].exp())
            before = range(max(t - size, 0), t)
            if before:
                weights = [math.exp(flatness * float(hidden[t] @ hidden[i])) for i in before]
                same = [w for w, i in zip(weights, before, strict=True) if own[0, i + 1] == target]
                p = (1 - share) * p + share * sum(same) / sum(weights)
            assert float(found[row, t]) == pytest.approx(-math.log(p), rel=1e-6)


def test_a_cache_begins_empty_where_a_row_does_not_go_on(model):
    one, two = (list(batches(text(21, seed=s))) for s in (1, 2))
    fresh = joined(NeuralCache(size=9).nats(model, iter(two)))
    after = joined(NeuralCache(size=9).nats(model, iter([*one, *two])))[:, -20:]
    assert torch.equal(fresh, after)


# -- n-grams


class SlowKneserNey:
    """Interpolated, with modified discounts: Chen and Goodman, 1998; by dictionaries."""

    def __init__(self, ids, vocabulary, order):
        self.vocabulary, self.order, self.counts = vocabulary, order, {}
        grams = {
            k: [tuple(ids[i : i + k]) for i in range(len(ids) - k + 1)] for k in range(1, order + 1)
        }
        for k in range(1, order + 1):
            if k == order:
                self.counts[k] = Counter(grams[k])
            else:
                self.counts[k] = Counter(g[1:] for g in set(grams[k + 1]))
        self.discounts = {k: self._discounts(k) for k in self.counts}
        self.behind = {k: defaultdict(list) for k in self.counts}
        for k, counts in self.counts.items():
            for gram, count in counts.items():
                self.behind[k][gram[:-1]].append(count)

    def _discounts(self, k):
        n = [sum(c == times for c in self.counts[k].values()) for times in (1, 2, 3, 4)]
        if 0 in n:
            return [0, 0.75, 0.75, 0.75]
        y = n[0] / (n[0] + 2 * n[1])
        raw = [i - (i + 1) * y * n[i] / n[i - 1] for i in (1, 2, 3)]
        return [0, *(min(max(d, 0), i) for d, i in zip(raw, (1, 2, 3), strict=True))]

    def __call__(self, context, token):
        context = tuple(context)[-(self.order - 1) :] if self.order > 1 else ()
        k = len(context) + 1
        below = self(context[1:], token) if context else 1 / self.vocabulary
        counts = self.behind[k].get(context)
        if not counts:
            return below
        d = self.discounts[k]
        count = self.counts[k].get((*context, token), 0)
        left = sum(d[min(c, 3)] for c in counts)
        return (count - d[min(count, 3)] + left * below) / sum(counts)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("length", [30, 900])
def test_ngrams_are_those_of_the_reference_and_sum_to_one(order, length):
    ids, other = text(length).tolist(), text(40, seed=8).tolist()
    fast, slow = NGrams(np.array(ids), V, order), SlowKneserNey(ids, V, order)
    found = fast.probabilities(np.array([other]))[0]
    for t in range(1, len(other)):
        context = other[max(t - order + 1, 0) : t]
        assert found[t - 1] == pytest.approx(slow(context, other[t]), rel=1e-9)
    for t in (1, 2, 7, 20):
        rows = np.array([[*other[:t], token] for token in range(V)])
        assert fast.probabilities(rows)[:, -1].sum() == pytest.approx(1, abs=1e-9)


def test_windows_and_rows_change_no_context_but_that_of_their_start(model):
    ids = text(301)
    whole = joined(KneserNey(tokens(text(900))).nats(model, batches(ids, window=300)))[0]
    cut = joined(KneserNey(tokens(text(900))).nats(model, batches(ids, window=7)))[0]
    rows = joined(KneserNey(tokens(text(900))).nats(model, batches(ids, rows=3))).flatten()
    assert torch.equal(whole, cut)
    differing = (whole != rows).nonzero().flatten().tolist()
    assert set(differing) <= {*range(100, 104), *range(200, 204)}


def test_a_mixture_with_the_network_is_between_both(model):
    ids, training = text(101), tokens(text(900))
    both = joined(KneserNey(training, network=0.25).nats(model, batches(ids)))
    grams = joined(KneserNey(training).nats(model, batches(ids)))
    hidden = torch.cat(list(_hidden(model, ids)), 1)
    own = token_nats(model.head(hidden), torch.from_numpy(ids[1:])[None])
    mixed = -(0.25 * (-own).exp() + 0.75 * (-grams).exp()).log()
    assert torch.allclose(both, mixed)


def _hidden(model, ids):
    state = None
    for batch in batches(ids):
        hidden, state = model.hidden(batch.inputs, state)
        yield hidden


# -- in runs


def test_a_run_has_their_numbers_beside_the_static_one_and_is_unchanged_by_them(tiny):
    methods = [
        {"name": "dynamic", "lr": 0.1},
        {"name": "dynamic", "form": "rms", "lr": 0.01},
        "neural_cache",
        "kn_interpolated",
    ]
    experiment = {
        **tiny,
        "corpus": {**tiny["corpus"], "holdout": 0.2},
        "evaluation": {"every": 5},
        "train": {"steps": 10},
    }
    plain = seqlab.run(experiment)
    run = seqlab.run(experiment, overrides={"evaluation.methods": methods})
    row = run.metrics[-1] if run.metrics[-1]["split"] == "valid" else run.metrics[-2]
    names = ("dynamic", "dynamic_2", "neural_cache", "kn_interpolated")
    assert all(0 < row[f"{name}_loss"] < 9 for name in names)
    assert [r["loss"] for r in run.metrics] == [r["loss"] for r in plain.metrics]


def test_eval_shows_what_counting_comes_to(tiny, capsys):
    experiment = {**tiny, "corpus": {**tiny["corpus"], "holdout": 0.2}}
    run = seqlab.run(experiment, run_dir="r")
    capsys.readouterr()
    assert call(["eval", "r", "--json", "--baseline"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    ids = run.tokenizer.encode((seqlab.open_run("r").path.parents[0] / "text.txt").read_text())
    cut = len(ids) - numbers["tokens"] - 1
    assert numbers["kn_interpolated_loss"] < numbers["loss"]  # a text that repeats itself
    assert numbers["kn_interpolated_perplexity"] == pytest.approx(
        math.exp(numbers["kn_interpolated_loss"])
    )
    assert cut > 0
    assert call(["eval", "r", "--baseline", "{name: kn_interpolated, order: 1}"]) == 0
    assert call(["eval", "r", "--baseline", "kn_interpolatid"]) == 2
    assert "did you mean 'kn_interpolated'" in capsys.readouterr().err


def test_a_method_of_strangers_is_given_the_training_split(tiny):
    seen = []

    class Counting:
        """How long the training split is."""

        def __init__(self, training, *, share: float = 0.5):
            seen.append(len(training()))

        def nats(self, model, batches):
            for batch in batches:
                yield torch.zeros(batch.targets.shape)

    experiment = {**tiny, "corpus": {**tiny["corpus"], "holdout": 0.25}}
    given = {"evaluation_methods": {"counting": Counting}}
    run = seqlab.run(experiment, overrides={"evaluation.methods": ["counting"]}, plugins=[given])
    run.evaluate("valid")
    assert len(set(seen)) == 1
    assert seen[0] == pytest.approx(0.75 * 36 * 56, abs=2)
