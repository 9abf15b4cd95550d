"""Many greedy steps in one call say what one after another says."""

from __future__ import annotations

import sys
from itertools import islice

import pytest
import torch
from seqlab_plugins import cores, greedy
from seqlab_plugins.cells import GRU, RNN
from seqlab_plugins.decoders import Greedy
from seqlab_plugins.tokenizers import Characters
from torch import nn

import seqlab
from seqlab.experiment.sections import Model
from seqlab.generation.generating import generate, stream
from seqlab.model.language_model import LanguageModel
from seqlab.model.stepping import greedy_walk

LETTERS = "".join(chr(0x4E00 + place) for place in range(53))
PREFIXES = [LETTERS[place : place + 1 + place % 3] for place in range(13)]
LENGTH = 40
needs_numba = pytest.mark.skipif(cores.compiled() is None, reason="Numba is an extra: seqlab[fast]")
every_cell = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])


@pytest.fixture
def tokenizer():
    tokenizer = Characters()
    tokenizer.fit([LETTERS])
    return tokenizer


@pytest.fixture
def make(registry):
    def make(cell, **settings):
        torch.manual_seed(0)
        factory = registry.find("cell", cell).factory
        options = {"num_layers": settings.pop("num_layers", 1), "hidden_size": 24}
        model = LanguageModel(53, lambda size: factory(size, **options), Model(**settings))
        for parameter in model.parameters():
            parameter.data *= 2  # so that it hardly repeats itself
        return model.eval()

    return make


@pytest.fixture(params=[1, 2], ids=["one core", "two cores"])
def cores_taken(request):
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(1)


@pytest.fixture
def walked_from(monkeypatch):
    return lambda steps: monkeypatch.setattr(greedy, "GREEDY_FROM", steps)


def ids(results):
    return [(one.ids, one.ended, one.text) for one in results]


@needs_numba
@every_cell
@pytest.mark.parametrize("embedding", ["one_hot", 12])
def test_walked_is_stepped(cell, embedding, make, tokenizer, walked_from, cores_taken):
    model = make(cell, embedding=embedding)

    def both(**stop):
        for steps in (1, sys.maxsize):
            walked_from(steps)
            assert (greedy_walk(model, LENGTH) is None) == (steps > 1)
            yield generate(model, tokenizer, Greedy(), PREFIXES, length=LENGTH, **stop)

    walked, stepped = both()
    assert ids(walked) == ids(stepped)
    for one, other in zip(walked, stepped, strict=True):
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=2e-5)
    said = {walked[0].ids[3], walked[7].ids[9]}
    walked, stepped = both(stop=[LETTERS[7]], stop_tokens=said)
    assert ids(walked) == ids(stepped)
    assert len({len(one.ids) for one in walked}) > 1


@needs_numba
@every_cell
def test_a_row_is_walked_as_alone_and_streamed_as_whole(cell, make, tokenizer, walked_from):
    walked_from(1)
    model = make(cell)
    options = {"length": LENGTH, "stop": [LETTERS[7]]}
    together = generate(model, tokenizer, Greedy(), PREFIXES, **options)
    for prefix, one in zip(PREFIXES, together, strict=True):
        assert ids(generate(model, tokenizer, Greedy(), [prefix], **options)) == ids([one])
        assert "".join(stream(model, tokenizer, Greedy(), prefix, **options)) == one.continuation


@needs_numba
def test_a_stream_does_not_wait_for_its_end(make, tokenizer, monkeypatch, walked_from):
    walked_from(1)
    monkeypatch.setattr(cores.compiled(), "AT_ONCE", 1)
    model = make("rnn")
    endless = stream(model, tokenizer, Greedy(), PREFIXES[0], length=10**6)
    (whole,) = generate(model, tokenizer, Greedy(), PREFIXES[:1], length=5)
    assert "".join(islice(endless, 5)) == whole.continuation


@needs_numba
def test_of_logits_that_are_not_numbers_the_first_is_taken(make, walked_from):
    walked_from(1)
    model = make("rnn")
    with torch.no_grad():
        model.head.bias[9], model.head.bias[5] = torch.nan, torch.nan
        walk = greedy_walk(model, LENGTH)
        said, scores, _ = walk(torch.tensor([0]), ((torch.zeros(1, 24),),), LENGTH)
    assert said.unique().tolist() == [5]
    assert scores.isnan().all()


@needs_numba
@pytest.mark.parametrize("size", [1e4, 3e38, torch.inf])
def test_large_logits_are_certain(make, walked_from, size):
    walked_from(1)
    model = make("gru")
    with torch.no_grad():
        model.head.bias[5] = size
        said, scores, _ = greedy_walk(model, 3)(torch.tensor([0]), ((torch.zeros(1, 24),),), 3)
    assert said.tolist() == [[5] * said.shape[1]]
    assert (scores == 0).all() or size == torch.inf


@needs_numba
def test_what_it_is_given_is_left_alone(make, walked_from):
    walked_from(1)
    walk = greedy_walk(make("lstm"), 9)
    h, c, first = torch.rand(3, 24), torch.rand(3, 24), torch.tensor([1, 2, 3])
    before = [h.clone(), c.clone(), first.clone()]
    walk(first, (((h, c),),), 9)
    assert all(map(torch.equal, (h, c, first), before))


@needs_numba
def test_an_id_that_does_not_exist_is_refused(make, walked_from):
    walked_from(1)
    walk = greedy_walk(make("rnn"), 9)
    for wrong in (-1, 53):
        with pytest.raises(IndexError, match=f"ids are {wrong} … {wrong}; there are 53 tokens"):
            walk(torch.tensor([wrong]), ((torch.zeros(1, 24),),), 9)


@needs_numba
@pytest.mark.parametrize(
    "settings",
    [
        {"layers": 2},
        {"num_layers": 2},
        {"embedding": 24, "norm": "rms"},
        {"embedding": 24, "residual": True},
    ],
)
def test_a_model_of_more_than_one_cell_takes_steps(settings, make, tokenizer):
    model = make("gru", **settings)
    assert greedy_walk(model, 10**6) is None
    assert len(generate(model, tokenizer, Greedy(), PREFIXES[:2], length=300)[0].ids) == 300


@needs_numba
def test_neither_short_texts_nor_float64_are_walked(make):
    assert greedy_walk(make("rnn"), greedy.GREEDY_FROM) is not None
    assert greedy_walk(make("rnn"), greedy.GREEDY_FROM - 1) is None
    assert greedy_walk(make("rnn").double(), greedy.GREEDY_FROM) is None


def test_without_numba_steps_are_taken(make, monkeypatch):
    monkeypatch.setattr(greedy, "compiled", lambda: None)
    assert greedy_walk(make("rnn"), 10**6) is None


@needs_numba
def test_a_head_that_does_not_fit_takes_steps(make):
    model = make("rnn")
    for head in (nn.Linear(24, 60), nn.Linear(25, 53), nn.Linear(24, 53, bias=False)):
        assert model.layers[0].cell.greedy_walk(head, None, 10**6) is None


class Backwards(GRU):
    """A cell that computes something else."""

    def walk(self, projected, state, layer):
        return super().walk(-projected, state, layer)


@needs_numba
def test_what_inherits_from_a_cell_or_a_decoder_is_not_walked(make, tokenizer):
    assert Backwards(53, hidden_size=24).greedy_walk(nn.Linear(24, 53), None, 10**6) is None
    assert Greedy().greedy
    assert not Rarest().greedy


@pytest.mark.parametrize("more", [1, -9])
def test_a_walk_that_says_more_than_was_wanted_is_refused(make, tokenizer, more, monkeypatch):
    model = make("rnn")

    def walk(ids, state, steps):
        said = ids.unsqueeze(1).repeat(1, max(steps + more, 0))
        return said, said.float(), state

    monkeypatch.setattr(RNN, "greedy_walk", lambda *_: walk)
    with pytest.raises(seqlab.SeqlabError, match=r"`greedy_walk` of the cell: .* 1 to 8 steps"):
        generate(model, tokenizer, Greedy(), PREFIXES[:2], length=9)


class Narrow(Greedy):
    greedy = True

    def choose(self, logits, history, uniform):
        return logits.argmax(-1).int()


@needs_numba
def test_what_a_greedy_decoder_chooses_first_is_looked_at(make, tokenizer, walked_from):
    walked_from(1)
    with pytest.raises(seqlab.SeqlabError, match="`choose` should return the ids"):
        generate(make("rnn"), tokenizer, Narrow(), PREFIXES[:1], length=9)


class Rarest(Greedy):
    """Inherits from what is greedy, and is not."""

    def choose(self, logits, history, uniform):
        return logits.argmin(-1)


def test_a_decoder_that_does_not_say_greedy_is_asked_each_time(make, tokenizer, walked_from):
    walked_from(1)
    (rare,) = generate(make("rnn"), tokenizer, Rarest(), PREFIXES[:1], length=9)
    assert min(rare.log_probabilities) < -5
