"""`sample` draws what its options say: chi-square and brute force on a small vocabulary."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

V = 6
LOGITS = torch.tensor([0.3, -1.0, 2.0, 0.0, 1.2, -3.0])
SAID = [2, 2, 5, 4]
relaxed = settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
logit_rows = st.lists(st.sampled_from([-4.0, -1.5, 0.0, 0.5, 2.0, 3.5]), min_size=V, max_size=V)


@pytest.fixture
def counts(registry):
    """How often each token is drawn, of many drawings with evenly spread chance."""

    def counts(logits, history=(0,), draws=20_000, **options):
        decoder = registry.find("decoder", "sample").factory(**options)
        chance = torch.rand(draws, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
        rows = torch.as_tensor(logits).expand(draws, -1)
        ids = decoder.choose(rows, torch.tensor([history]).expand(draws, -1), chance)
        return torch.bincount(ids, minlength=len(logits)).tolist()

    return counts


def exact(logits, history=(), **options) -> list[float]:
    """The probabilities as one would work them out on paper."""
    values = [float(logit) for logit in logits]
    for token, times in Counter(history).items():
        divide = options.get("repetition_penalty", 1)
        values[token] *= 1 / divide if values[token] > 0 else divide
        values[token] -= options.get("presence_penalty", 0)
        values[token] -= options.get("frequency_penalty", 0) * times
    block = options.get("no_repeat")
    blocked = [t for t in range(len(values)) if block and repeats([*history, t], block)]
    if len(blocked) < len(values):
        for token in blocked:
            values[token] = -math.inf
    best = max(values)
    shares = [math.exp((value - best) / options.get("temperature", 1)) for value in values]
    order = sorted(range(len(shares)), key=lambda token: (-shares[token], token))
    order = order[: options.get("top_k", len(order))]
    total, kept = sum(shares[token] for token in order), 0.0
    left = []
    for token in order:
        if left and kept / total >= options.get("top_p", 1):
            break
        kept += shares[token]
        left.append(token)
    left = [token for token in left if shares[token] >= options.get("min_p", 0)]
    total = sum(shares[token] for token in left)
    return [shares[t] / total if t in left else 0.0 for t in range(len(shares))]


def repeats(ids, size) -> bool:
    """Whether the last `size` ids were there before, in this order."""
    last = ids[-size:]
    return any(ids[at : at + size] == last for at in range(len(ids) - size))


def chi_square(observed, expected) -> float:
    draws = sum(observed)
    return sum(
        (n - p * draws) ** 2 / (p * draws) for n, p in zip(observed, expected, strict=True) if p
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.5},
        {"top_k": 3},
        {"top_p": 0.8},
        {"min_p": 0.3},
        {"top_k": 4, "top_p": 0.9, "min_p": 0.05, "temperature": 1.7},
        {"repetition_penalty": 1.8},
        {"presence_penalty": 0.7},
        {"frequency_penalty": 0.4},
        {"repetition_penalty": 1.3, "presence_penalty": -0.5, "frequency_penalty": 0.2},
        {"no_repeat": 1},
        {"no_repeat": 2, "temperature": 1.5},
    ],
)
def test_each_token_is_drawn_as_often_as_it_should(counts, options):
    observed, expected = counts(LOGITS, SAID, **options), exact(LOGITS, SAID, **options)
    assert not any(n for n, p in zip(observed, expected, strict=True) if p == 0)
    assert chi_square(observed, expected) < 20.5  # p = 0.001 for 5 degrees of freedom


@relaxed
@given(
    logits=logit_rows,
    top_k=st.integers(1, V + 2),
    top_p=st.floats(0.05, 0.99),
    min_p=st.floats(0, 1),
)
def test_cuts_leave_the_tokens_that_brute_force_leaves(counts, logits, top_k, top_p, min_p):
    options = {"top_k": top_k, "top_p": top_p, "min_p": min_p, "temperature": 3.0}
    expected = exact(logits, **options)
    near = any(abs(share - top_p) < 1e-9 for share in cumulated(logits, top_k)) or any(
        abs(math.exp((logit - max(logits)) / 3) - min_p) < 1e-9 for logit in logits
    )
    observed = counts(logits, draws=4_000, **options)
    assert near or [n > 0 for n in observed] == [p > 0 for p in expected]


def cumulated(logits, top_k) -> list[float]:
    """The sums that `top_p` is held against, where rounding may decide."""
    shares = sorted((math.exp(logit / 3) for logit in logits), reverse=True)[:top_k]
    return [sum(shares[: n + 1]) / sum(shares) for n in range(len(shares))]


@relaxed
@given(history=st.lists(st.integers(0, 2), min_size=1, max_size=12), size=st.integers(1, 4))
def test_no_sequence_comes_twice_where_another_token_is_possible(counts, history, size):
    expected = exact([0.0] * 4, history, no_repeat=size)
    observed = counts([0.0] * 4, history, draws=400, no_repeat=size)
    assert [n > 0 for n in observed] == [p > 0 for p in expected]


def test_where_nothing_else_is_possible_a_sequence_may_come_again(counts):
    logits = torch.tensor([0.0, -torch.inf, -torch.inf])
    assert counts(logits, [0, 0], draws=10, no_repeat=1) == [10, 0, 0]


def test_of_equals_the_lowest_ids_stay(counts):
    assert counts([1.0] * V, top_k=2, draws=1_000)[2:] == [0] * (V - 2)
    assert counts([1.0] * V, min_p=1.0, draws=1_000) == counts([1.0] * V, draws=1_000)


def test_the_best_token_stays_however_much_is_cut(counts):
    assert counts(LOGITS, top_p=1e-9, min_p=1.0, top_k=1, draws=9) == [0, 0, 9, 0, 0, 0]


@pytest.fixture
def typical(registry):
    """Makes the decoder; Hypothesis would write out a whole registry."""
    factory = registry.find("decoder", "typical").factory
    return lambda mass: factory(mass=mass)


@relaxed
@given(logit_rows, st.sampled_from([0.05, 0.3, 0.8, 1.0]))
def test_typical_keeps_what_says_as_much_as_expected(typical, logits, mass):
    total = sum(map(math.exp, logits))
    shares = [math.exp(logit) / total for logit in logits]
    entropy = -sum(share * math.log(share) for share in shares)
    order = sorted(range(V), key=lambda t: (round(abs(-math.log(shares[t]) - entropy), 9), t))
    kept, left = 0.0, []
    for token in order:
        if left and kept >= mass - 1e-9:
            break
        kept += shares[token]
        left.append(token)
    decoder = typical(mass)
    chance = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    rows = torch.tensor(logits).expand(400, -1)
    drawn = decoder.choose(rows, torch.zeros(400, 1, dtype=torch.int64), chance).tolist()
    assert {*drawn} <= {*left}
    for token in left:
        assert drawn.count(token) / 400 == pytest.approx(shares[token] / kept, abs=0.01)
