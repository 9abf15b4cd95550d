"""How the next token is chosen."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import seqlab

# A fixture that makes decoders is as good for the second example as for the first.
relaxed = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def greedy(registry):
    decoder = registry.find("decoder", "greedy").factory()

    def greedy(logits, history=None, uniform=None):
        rows = len(logits)
        history = torch.zeros(rows, 1, dtype=torch.int64) if history is None else history
        return decoder.choose(logits, history, torch.zeros(rows) if uniform is None else uniform)

    return greedy


def test_greedy_takes_the_most_probable_token_of_every_row(greedy):
    logits = torch.tensor([[0.0, 2.0, 1.0], [-1.0, -3.0, -2.0]])
    assert greedy(logits).tolist() == [1, 0]


@pytest.fixture
def sample(registry):
    """Choose with `sample`; chance is one number for all rows, or one for each."""

    def sample(logits, uniform, **options):
        decoder = registry.find("decoder", "sample").factory(**options)
        chance = torch.as_tensor(uniform, dtype=torch.float64).expand(len(logits))
        return decoder.choose(logits, torch.zeros(len(logits), 1, dtype=torch.int64), chance)

    return sample


def evenly(count) -> torch.Tensor:
    """As many numbers in [0, 1), at equal distances."""
    return torch.arange(count, dtype=torch.float64) / count


ALMOST_ONE = 1 - 2.0**-53
any_logits = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=40)
any_uniform = st.one_of(st.floats(0, 1, exclude_max=True), st.just(ALMOST_ONE))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_sample_takes_each_token_as_often_as_it_is_probable(sample, temperature):
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0])
    ids = sample(logits.expand(10_000, -1), evenly(10_000), temperature=temperature)
    shares = torch.bincount(ids, minlength=4) / 10_000
    torch.testing.assert_close(shares, (logits / temperature).softmax(-1), rtol=0, atol=2e-4)


def test_sample_counts_the_tokens_from_the_lowest_id(sample):
    assert sample(torch.zeros(5, 4), [0.0, 0.2499, 0.25, 0.5, ALMOST_ONE]).tolist() == [
        0,
        0,
        1,
        2,
        3,
    ]


@relaxed
@given(logits=any_logits, uniform=any_uniform, data=st.data())
def test_sample_never_takes_what_is_impossible(sample, logits, uniform, data):
    possible = data.draw(st.lists(st.booleans(), min_size=len(logits), max_size=len(logits)))
    possible[data.draw(st.integers(0, len(logits) - 1))] = True
    row = torch.tensor(logits).masked_fill(~torch.tensor(possible), -torch.inf)
    assert possible[int(sample(row[None], uniform))]


@pytest.mark.parametrize("uniform", [0.0, ALMOST_ONE])
@pytest.mark.parametrize("size", [1, 3, 1027, 50_000])
def test_sample_takes_a_possible_token_at_both_ends_of_chance(sample, uniform, size):
    logits = torch.randn(8, size + 2, generator=torch.Generator().manual_seed(size))
    logits[:, [0, -1]] = -torch.inf
    ids = sample(logits, uniform)
    assert ((ids > 0) & (ids <= size)).all()


@pytest.mark.parametrize("temperature", [1e-300, 1e-3])
def test_the_coldest_sample_is_greedy(sample, greedy, temperature):
    logits = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    assert sample(logits, evenly(6), temperature=temperature).equal(greedy(logits))


def test_the_hottest_sample_takes_all_tokens_alike(sample):
    logits = torch.tensor([5.0, -5.0, 0.0, 90.0])
    ids = sample(logits.expand(400, -1), evenly(400), temperature=1e300)
    assert torch.bincount(ids).tolist() == [100] * 4


@pytest.mark.parametrize("temperature", [0, -1.0, float("inf")])
def test_a_temperature_that_is_none_is_refused(tiny, registry, temperature):
    with pytest.raises(seqlab.ExperimentError, match="temperature"):
        seqlab.run(
            tiny | {"decoder": {"name": "sample", "temperature": temperature}}, registry=registry
        )


def test_a_temperature_of_0_is_refused_with_the_name_of_what_does_it(tiny, registry):
    with pytest.raises(seqlab.ExperimentError, match="`decoder: greedy`"):
        seqlab.run(tiny | {"decoder": {"name": "sample", "temperature": 0}}, registry=registry)


def test_a_sampled_text_is_that_of_its_seed(tiny, registry):
    run = seqlab.run(tiny | {"decoder": "sample"}, registry=registry)
    texts = [run.generate("the ", length=30, seed=seed)[0].text for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("name", ["greedy", "sample"])
def test_an_id_of_the_vocabulary_is_chosen_even_of_logits_that_are_no_numbers(registry, name):
    decoder = registry.find("decoder", name).factory()
    history, chance = torch.zeros(2, 1, dtype=torch.int64), torch.full((2,), 0.5).double()
    logits = torch.full((2, 5), torch.nan)
    assert ((ids := decoder.choose(logits, history, chance)) >= 0).all()
    assert (ids < 5).all()
