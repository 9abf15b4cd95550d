"""Many greedy steps in one call say what one after another says."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from seqlab_plugins.decoders.sampling import Greedy
from seqlab_plugins.tokenizers.basic import Characters
from torch import nn

import seqlab
from benchmarks.plain_model import language_model
from seqlab.generation.generating import generate
from seqlab.generation.streaming import stream
from seqlab.kernels import has_numba_and_blas, tuning, use_kernels
from seqlab.model.stepping import greedy_steps

LETTERS = "".join(chr(0x4E00 + place) for place in range(53))
PREFIXES = [LETTERS[place : place + 1 + place % 3] for place in range(13)]
LENGTH = 40
needs_numba = pytest.mark.skipif(not has_numba_and_blas(), reason="an extra: seqlab[fast]")
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
        model = language_model(53, lambda size: factory(size, **options), **settings)
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
def compiled():
    with use_kernels("numba"):
        yield


def ids(results):
    return [(one.ids, one.ended, one.text) for one in results]


@needs_numba
@every_cell
@pytest.mark.parametrize("embedding", ["one_hot", 12])
def test_many_steps_at_once_are_one_after_another(cell, embedding, make, tokenizer, cores_taken):
    model = make(cell, embedding=embedding)

    def both(**stop):
        for backend in ("numba", "reference"):
            with use_kernels(backend):
                assert (greedy_steps(model, LENGTH) is None) == (backend == "reference")
                yield generate(model, tokenizer, Greedy(), PREFIXES, length=LENGTH, **stop)

    together, stepped = both()
    assert ids(together) == ids(stepped)
    for one, other in zip(together, stepped, strict=True):
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=2e-5)
    stops = {together[0].ids[3], together[7].ids[9]}
    together, stepped = both(stop=[LETTERS[7]], stop_tokens=stops)
    assert ids(together) == ids(stepped)
    assert len({len(one.ids) for one in together}) > 1


@needs_numba
@every_cell
def test_a_row_is_the_same_alone_and_streamed(cell, make, tokenizer, compiled):
    model = make(cell)
    options = {"length": LENGTH, "stop": [LETTERS[7]]}
    together = generate(model, tokenizer, Greedy(), PREFIXES, **options)
    for prefix, one in zip(PREFIXES, together, strict=True):
        assert ids(generate(model, tokenizer, Greedy(), [prefix], **options)) == ids([one])
        assert "".join(stream(model, tokenizer, Greedy(), prefix, **options)) == one.continuation


@needs_numba
def test_a_stream_does_not_wait_for_its_end(make, tokenizer, compiled):
    model = make("rnn")
    endless = stream(model, tokenizer, Greedy(), PREFIXES[0], length=10**6)
    (whole,) = generate(model, tokenizer, Greedy(), PREFIXES[:1], length=5)
    assert "".join(islice(endless, 5)) == whole.continuation


@needs_numba
def test_of_logits_that_are_not_numbers_the_first_is_taken(make, compiled):
    model = make("rnn")
    with torch.no_grad():
        model.head.bias[9], model.head.bias[5] = torch.nan, torch.nan
        take = greedy_steps(model, LENGTH)
        chosen, scores, _ = take(torch.tensor([0]), ((torch.zeros(1, 24),),), LENGTH)
    assert chosen.unique().tolist() == [5]
    assert scores.isnan().all()


@needs_numba
@pytest.mark.parametrize("size", [1e4, 3e38, torch.inf])
def test_large_logits_are_certain(make, compiled, size):
    model = make("gru")
    with torch.no_grad():
        model.head.bias[5] = size
        chosen, scores, _ = greedy_steps(model, 3)(torch.tensor([0]), ((torch.zeros(1, 24),),), 3)
    assert chosen.tolist() == [[5] * chosen.shape[1]]
    assert (scores == 0).all() or size == torch.inf


@needs_numba
def test_what_it_is_given_is_left_alone(make, compiled):
    take = greedy_steps(make("lstm"), 9)
    h, c, first = torch.rand(3, 24), torch.rand(3, 24), torch.tensor([1, 2, 3])
    before = [h.clone(), c.clone(), first.clone()]
    take(first, (((h, c),),), 9)
    assert all(map(torch.equal, (h, c, first), before))


@needs_numba
def test_an_id_that_does_not_exist_is_refused(make, compiled):
    take = greedy_steps(make("rnn"), 9)
    for wrong in (-1, 53):
        with pytest.raises(IndexError, match=f"ids are {wrong} … {wrong}; there are 53 tokens"):
            take(torch.tensor([wrong]), ((torch.zeros(1, 24),),), 9)


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
    assert greedy_steps(model, 10**6) is None
    assert len(generate(model, tokenizer, Greedy(), PREFIXES[:2], length=300)[0].ids) == 300


@needs_numba
def test_neither_short_texts_nor_float64_are_taken_at_once(make):
    assert greedy_steps(make("rnn"), tuning.GREEDY_NUMBA) is not None
    assert greedy_steps(make("rnn"), tuning.GREEDY_NUMBA - 1) is None
    assert greedy_steps(make("rnn").double(), tuning.GREEDY_NUMBA) is None


def test_by_the_reference_steps_are_taken(make):
    with use_kernels("reference"):
        assert greedy_steps(make("rnn"), 10**6) is None


@needs_numba
def test_a_head_that_does_not_fit_takes_steps(make):
    step = make("rnn").layers[0].cell.id_stepper()
    assert step.greedy(nn.Linear(24, 53), 10**6) is not None
    for head in (nn.Linear(24, 60), nn.Linear(25, 53), nn.Linear(24, 53, bias=False)):
        assert step.greedy(head, 10**6) is None


class Chatty:
    """A step that says more, or less, than was asked for."""

    def __init__(self, inner, more):
        self.inner, self.more = inner, more

    def __call__(self, ids, state):
        return self.inner(ids, state)

    def greedy(self, head, steps):
        def take(ids, state, wanted):
            chosen = ids.unsqueeze(1).repeat(1, max(wanted + self.more, 0))
            return chosen, chosen.float(), state

        return take


@pytest.mark.parametrize("more", [1, -9])
def test_more_steps_than_were_asked_for_are_refused(make, tokenizer, more):
    model = make("rnn")
    cell = model.layers[0].cell
    step = cell.id_stepper()
    cell.id_stepper = lambda: Chatty(step, more)
    with pytest.raises(seqlab.SeqlabError, match=r"greedy steps of the cell: .* 1 to 8 steps"):
        generate(model, tokenizer, Greedy(), PREFIXES[:2], length=9)


class Narrow(Greedy):
    greedy = True

    def choose(self, logits, history, uniform):
        return logits.argmax(-1).int()


@needs_numba
def test_what_a_greedy_decoder_chooses_first_is_looked_at(make, tokenizer, compiled):
    with pytest.raises(seqlab.SeqlabError, match="`choose` should return the ids"):
        generate(make("rnn"), tokenizer, Narrow(), PREFIXES[:1], length=9)


class Rarest(Greedy):
    """Inherits from what is greedy, and is not."""

    def choose(self, logits, history, uniform):
        return logits.argmin(-1)


def test_a_decoder_that_does_not_say_greedy_is_asked_each_time(make, tokenizer, compiled):
    (rare,) = generate(make("rnn"), tokenizer, Rarest(), PREFIXES[:1], length=9)
    assert min(rare.log_probabilities) < -5
