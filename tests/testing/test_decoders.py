"""The promises of a decoder: every planted mistake is caught, and what is right passes."""

from __future__ import annotations

import random

import pytest
import torch

from seqlab import Continuation, select_rows
from seqlab.testing import Broken, NotApplicable, Subject, decoders, verify
from seqlab.testing.collection import checks_in


class Draws:
    """Draws from the probabilities with the chance that it is given."""

    def choose(self, logits, history, uniform):
        sums = self.shares(logits.double(), history).cumsum(-1)
        return torch.searchsorted(sums, uniform[:, None] * sums[:, -1:], right=True)[:, 0]

    def shares(self, logits, history):
        return logits.softmax(-1)


class Beam:
    """The most probable continuations that are found by keeping so many at each step."""

    width = 3

    def search(self, advance, start, limits):
        rows = range(len(start.rows))
        rows_kept = [self.search_row(advance, start, row, limits) for row in rows]
        return [self.finish(kept, limits) for kept in rows_kept]

    def search_row(self, advance, start, row, limits):
        """Keep (ids, log-probabilities) of one row, and the state of each."""
        logits, state = start.logits[row][None], select_rows(start.state, torch.tensor([row]))
        kept, ended = [((), ())], []
        for _ in range(limits.length):
            kept, parents = self.grow(kept, logits.log_softmax(-1))
            stops = [limits.stopped(ids) for ids, _ in kept]
            ended += [item for item, stop in zip(kept, stops, strict=True) if stop]
            going = [index for index, stop in enumerate(stops) if not stop]
            kept, parents = [kept[index] for index in going], [parents[index] for index in going]
            if not kept:
                break
            chosen = torch.tensor([ids[-1] for ids, _ in kept])
            logits, state = advance(chosen, self.reorder(state, torch.tensor(parents)))
        return ended + kept

    def grow(self, kept, scores):
        """The best of all continuations by one token, and which each came from."""
        before = torch.tensor([sum(nats) for _, nats in kept])
        best = (before[:, None] + scores).flatten().topk(min(self.width, scores.numel())).indices
        grown, parents = [], []
        for index in best.tolist():
            parent, token = divmod(index, scores.shape[1])
            ids, nats = kept[parent]
            grown.append(((*ids, token), (*nats, float(scores[parent, token]))))
            parents.append(parent)
        return grown, parents

    def reorder(self, state, parents):
        return select_rows(state, parents)

    def finish(self, kept, limits):
        return [Continuation(*item) for item in sorted(kept, key=lambda item: -sum(item[1]))]


class Largest:
    greedy = True

    def choose(self, logits, history, uniform):
        return logits.argmax(-1)


class SaysGreedy(Draws):
    greedy = True


class LastOfTheLargest(Largest):
    def choose(self, logits, history, uniform):
        return logits.shape[1] - 1 - logits.flip(1).argmax(-1)


class NeitherForm:
    def decode(self, logits):
        return logits.argmax(-1)


class InAColumn:
    def choose(self, logits, history, uniform):
        return logits.argmax(-1, keepdim=True)


class NarrowIds:
    def choose(self, logits, history, uniform):
        return logits.argmax(-1).int()


class CountsSumsBelow(Draws):
    """Rounding leaves the last sum below 1, so there may be one more below the chance."""

    def choose(self, logits, history, uniform):
        return (logits.softmax(-1).cumsum(-1) <= uniform[:, None]).sum(-1)


class AlwaysTenCandidates(Draws):
    """A vocabulary of two has not so many."""

    def shares(self, logits, history):
        least = logits.topk(10).values[:, -1:]
        return logits.masked_fill(logits < least, -torch.inf).softmax(-1)


class LooksTwoTokensBack:
    def choose(self, logits, history, uniform):
        twice = history[:, -1] == history[:, -2]
        best = logits.topk(2).indices
        return torch.where(twice, best[:, 1], best[:, 0])


class RemembersThirtyTokens(Draws):
    """A penalty with a table as long as the texts that its author tried."""

    weights = torch.linspace(0, 0.1, 30)

    def shares(self, logits, history):
        penalties = self.weights[: history.shape[1]].expand(history.shape).double()
        return (logits - torch.zeros_like(logits).scatter_add(1, history, penalties)).softmax(-1)


class ByNumpy:
    """Has no bfloat16."""

    def choose(self, logits, history, uniform):
        return torch.from_numpy(logits.numpy().argmax(-1))


class WantsFloat32:
    def choose(self, logits, history, uniform):
        return (logits @ torch.eye(logits.shape[1])).argmax(-1)


class BestOfTheBatch:
    """The argmax of all rows together."""

    def choose(self, logits, history, uniform):
        return (logits.argmax() % logits.shape[1]).expand(len(logits))


class CommonCutOff(Draws):
    """Keeps what is near the best of any row."""

    def shares(self, logits, history):
        return logits.masked_fill(logits < logits.max() - 2, -1e4).softmax(-1)


class ChanceOfTheFirstRow(Draws):
    def choose(self, logits, history, uniform):
        return super().choose(logits, history, uniform[:1].expand(len(logits)))


class Multinomial(Draws):
    def choose(self, logits, history, uniform):
        return self.shares(logits, history).multinomial(1)[:, 0]


class PythonsDice(Draws):
    def choose(self, logits, history, uniform):
        drawn = [random.random() for _ in uniform]  # noqa: S311 # that is the mistake
        uniform = torch.tensor(drawn, dtype=torch.float64)
        return super().choose(logits, history, uniform)


class OwnGenerator(Draws):
    """Leaves the global generators alone, but gives another id the second time."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)

    def choose(self, logits, history, uniform):
        uniform = torch.rand(uniform.shape, generator=self.generator, dtype=torch.float64)
        return super().choose(logits, history, uniform)


class KeepsACount(Draws):
    """Counts what it chose itself, so that the text before counts in the next one."""

    def __init__(self):
        self.counts = {}

    def choose(self, logits, history, uniform):
        penalties = self.counts.setdefault(logits.shape[1], torch.zeros(logits.shape[1]))
        ids = super().choose(logits - penalties, history, uniform)
        penalties[ids] += 5
        return ids


class MasksInPlace(Draws):
    def choose(self, logits, history, uniform):
        logits[logits < logits.amax(-1, keepdim=True) - 3] = -torch.inf
        return super().choose(logits, history, uniform)


class ScalesTheChanceInPlace(Draws):
    def choose(self, logits, history, uniform):
        return super().choose(logits, history, uniform.mul_(0.999))


class SortsTheHistory(Draws):
    def choose(self, logits, history, uniform):
        history.copy_(history.sort(-1).values)
        return super().choose(logits, history, uniform)


class BeamInThePrefix(Beam):
    """Writes what it chose into the state that it was given."""

    def search(self, advance, start, limits):
        rows = super().search(advance, start, limits)
        start.history[:, -1] = torch.tensor([row[0].ids[-1] for row in rows])
        return rows


class FirstSumNotBelow(Draws):
    """With a chance of 0 that is the first token, however improbable."""

    def choose(self, logits, history, uniform):
        return torch.searchsorted(logits.double().softmax(-1).cumsum(-1), uniform[:, None])[:, 0]


class SmoothsAll(Draws):
    """A small share for every token, also for those that must not come."""

    def shares(self, logits, history):
        return logits.softmax(-1) + 1e-3


class RepetitionMadeProbable(Draws):
    """Multiplies the logits of what was said: -inf times 0 is not a number."""

    def choose(self, logits, history, uniform):
        logits = logits.scatter(1, history, logits.gather(1, history) * 0)
        return logits.nan_to_num(0.0).argmax(-1)


class TurnedOver(Draws):
    def shares(self, logits, history):
        return (-logits).softmax(-1)


class EvenAmongTheBest(Draws):
    """Forgets how probable its candidates are."""

    def shares(self, logits, history):
        least = logits.topk(min(2, logits.shape[1])).values[:, -1:]
        return (logits >= least).double()


class ClampsLogits(Draws):
    def shares(self, logits, history):
        return logits.clamp(-5, 5).softmax(-1)


class SearchesByChance(Beam):
    def grow(self, kept, scores):
        return super().grow(kept, scores + 0.1 * torch.rand(scores.shape))


class NeverTheSameTwice(Draws):
    """As the process goes on, the same seed is another text."""

    calls = 0

    def choose(self, logits, history, uniform):
        NeverTheSameTwice.calls += 1
        return super().choose(logits, history, (uniform + NeverTheSameTwice.calls * 0.618) % 1)


class AllRowsEndTogether(Beam):
    """Ends the search of the batch where its first row has ended."""

    def search(self, advance, start, limits):
        rows = super().search(advance, start, limits)
        end = len(rows[0][0].ids)
        return [[Continuation(c.ids[:end], c.log_probabilities[:end]) for c in r] for r in rows]


class ForgetsTheLastRow(Beam):
    def search(self, advance, start, limits):
        return super().search(advance, start, limits)[: max(len(start.rows) - 1, 1)]


class ComparesRows(Beam):
    """Drops what is less probable than the best of another row."""

    def search(self, advance, start, limits):
        rows = super().search(advance, start, limits)
        worst = min(row[0].score for row in rows)
        return [
            [continuation for continuation in row if continuation.score >= worst] for row in rows
        ]


class FindsNothing(Beam):
    """Gives up on what it finds improbable."""

    def finish(self, kept, limits):
        return [
            continuation for continuation in super().finish(kept, limits) if continuation.score > -1
        ]


class OneTooMany(Beam):
    def finish(self, kept, limits):
        return [Continuation((*ids, ids[-1]), (*nats, -1.0)) for ids, nats in kept]


class WithThePrefix(Beam):
    def search(self, advance, start, limits):
        rows = super().search(advance, start, limits)
        return [
            [
                Continuation((*history, *continuation.ids), continuation.log_probabilities)
                for continuation in row
            ]
            for history, row in zip(start.history.tolist(), rows, strict=True)
        ]


class IdsAreTensors(Beam):
    def finish(self, kept, limits):
        return [Continuation(tuple(torch.tensor(ids)), nats) for ids, nats in kept]


class WiderThanTheVocabulary(Beam):
    def grow(self, kept, scores):
        scores.topk(self.width)
        return super().grow(kept, scores)


class WorstFirst(Beam):
    def finish(self, kept, limits):
        return super().finish(kept, limits)[::-1]


class AsTheyCame(Beam):
    """In the order of the tokens, as a dictionary had them."""

    def finish(self, kept, limits):
        return [Continuation(*item) for item in sorted(kept)]


class GoesOnAfterAStop(Beam):
    def search(self, advance, start, limits):
        return super().search(advance, start, type(limits)(limits.length))


class KnowsStopTokensOnly(Beam):
    """Written before there were texts to stop at."""

    def search(self, advance, start, limits):
        return super().search(advance, start, type(limits)(limits.length, limits.stop))


class DropsTheStop(Beam):
    """As a text has no end-of-document in it; but then nobody knows why it ended."""

    def finish(self, kept, limits):
        kept = [
            (ids[:-1], nats[:-1]) if ids[-1] in limits.stop else (ids, nats) for ids, nats in kept
        ]
        return super().finish([item for item in kept if item[0]], limits)


class DoesNotReorder(Beam):
    """Each continuation goes on with the state of another."""

    def reorder(self, state, parents):
        return select_rows(state, torch.arange(len(parents)) % len(parents) * 0)


class ReordersTheFirstTensor(Beam):
    def reorder(self, state, parents):
        first, rest = super().reorder(state, parents)
        return first, select_rows(rest, parents)


class ReordersByRank(Beam):
    def reorder(self, state, parents):
        return select_rows(state, parents.sort().values)


class ScoresWithTemperature(Beam):
    def grow(self, kept, scores):
        return super().grow(kept, (scores / 0.5).log_softmax(-1))


class DividesByLength(Beam):
    """A penalty for length that goes into the log-probabilities."""

    def finish(self, kept, limits):
        return super().finish([(ids, [o / len(ids) for o in nats]) for ids, nats in kept], limits)


class ProbabilitiesWithoutLogarithm(Beam):
    def finish(self, kept, limits):
        return [
            Continuation(
                continuation.ids, tuple(2.718281828**p for p in continuation.log_probabilities)
            )
            for continuation in super().finish(kept, limits)
        ]


class SaysOneScore(Beam):
    def finish(self, kept, limits):
        return [
            Continuation(continuation.ids, (continuation.score,))
            for continuation in super().finish(kept, limits)
        ]


class Remembers:
    """Draws, and is the colder the more it has said: the memory counts the tokens of a row."""

    def choose(self, logits, history, uniform, memory):
        said = self.before(logits) if memory is None else memory
        sums = (logits.double() * (1 + said)).softmax(-1).cumsum(-1)
        ids = torch.searchsorted(sums, uniform[:, None] * sums[:, -1:], right=True)[:, 0]
        return ids, self.after(said)

    def before(self, logits):
        return logits.new_zeros(len(logits), 1)

    def after(self, said):
        return said + 1


class RemembersInAColumn(Remembers):
    """The batch is not the first dimension."""

    def choose(self, logits, history, uniform, memory):
        ids, said = super().choose(logits, history, uniform, None if memory is None else memory.T)
        return ids, said.T


class RemembersAll(Remembers):
    """Grows with the text."""

    def choose(self, logits, history, uniform, memory):
        ids, _ = super().choose(logits, history, uniform, None)
        return ids, history.double()


class ReturnsIdsOnly(Remembers):
    def choose(self, logits, history, uniform, memory):
        return super().choose(logits, history, uniform, memory)[0]


class BeginsAtOne(Remembers):
    """None is one, so a row of zeros is not fresh."""

    def before(self, logits):
        return logits.new_ones(len(logits), 1)


class CountsForTheBatch(Remembers):
    """What rows have said is mixed."""

    def after(self, said):
        return said + torch.arange(len(said))[:, None]


class CountsInPlace(Remembers):
    def after(self, said):
        return said.add_(1)


class CountsInItself(Remembers):
    """The memory is beside the point."""

    count = 0

    def after(self, said):
        self.count += 1
        return said + self.count


class LooksBehindThePrefix:
    """Takes for granted that all prefixes have one length."""

    def choose(self, logits, history, uniform, prefix_lengths):
        said = history[:, int(prefix_lengths[0]) :]
        return (logits.argmax(-1) + said.sum(1)) % logits.shape[1]


class EndsWithoutSayingSo(Draws):
    def choose(self, logits, history, uniform):
        return super().choose(logits, history, uniform).where(uniform > 0.2, -1)


CHECKS = {check.__name__: check for check in checks_in(decoders)}


class TakesNoNumberForNothing(Beam):
    """-inf is read as a number that is missing."""

    def grow(self, kept, scores):
        return super().grow(kept, scores.masked_fill(scores == -torch.inf, 0))


DEFECTS = [
    (TakesNoNumberForNothing, "impossible_tokens_are_in_no_continuation", "whose logits are -inf"),
    (NeitherForm, "what_a_decoder_is_given_is_left_alone", "a method `choose` or `search`"),
    (InAColumn, "ids_are_tokens_of_the_vocabulary", "ids: shape, type"),
    (NarrowIds, "ids_are_tokens_of_the_vocabulary", "torch.int32"),
    (CountsSumsBelow, "ids_are_tokens_of_the_vocabulary", "ids from 0 to"),
    (AlwaysTenCandidates, "ids_are_tokens_of_the_vocabulary", "out of range"),
    (LooksTwoTokensBack, "history_may_have_any_length", "out of bounds"),
    (RemembersThirtyTokens, "history_may_have_any_length", "RuntimeError"),
    (ByNumpy, "logits_of_any_precision_do", "BFloat16"),
    (WantsFloat32, "logits_of_any_precision_do", "dtype"),
    (BestOfTheBatch, "rows_are_chosen_for_as_if_alone", "that each row has alone"),
    (CommonCutOff, "rows_are_chosen_for_as_if_alone", "that each row has alone"),
    (ChanceOfTheFirstRow, "rows_are_chosen_for_as_if_alone", "that each row has alone"),
    (Multinomial, "uniform_is_all_the_chance", "torch's random state"),
    (PythonsDice, "uniform_is_all_the_chance", "Python's random state"),
    (OwnGenerator, "uniform_is_all_the_chance", "from the same arguments"),
    (KeepsACount, "uniform_is_all_the_chance", "from the same arguments"),
    (MasksInPlace, "what_a_decoder_is_given_is_left_alone", "in place"),
    (ScalesTheChanceInPlace, "what_a_decoder_is_given_is_left_alone", "in place"),
    (SortsTheHistory, "what_a_decoder_is_given_is_left_alone", "in place"),
    (BeamInThePrefix, "what_a_decoder_is_given_is_left_alone", "in place"),
    (FirstSumNotBelow, "impossible_tokens_are_never_chosen", "with a chance of 0.0"),
    (SmoothsAll, "impossible_tokens_are_never_chosen", "with a chance of"),
    (RepetitionMadeProbable, "impossible_tokens_are_never_chosen", "with a chance of"),
    (TurnedOver, "certain_token_is_chosen", "which is certain"),
    (EvenAmongTheBest, "certain_token_is_chosen", "which is certain"),
    (ClampsLogits, "certain_token_is_chosen", "which is certain"),
    (LooksBehindThePrefix, "rows_are_chosen_for_as_if_alone", "that each row has alone"),
    (EndsWithoutSayingSo, "ids_are_tokens_of_the_vocabulary", "ids from 0 to"),
    (ReturnsIdsOnly, "ids_are_tokens_of_the_vocabulary", "as it names `memory`"),
    (ReturnsIdsOnly, "memory_is_a_state_of_one_shape", "as it names `memory`"),
    (RemembersInAColumn, "memory_is_a_state_of_one_shape", "rows first in all of it"),
    (RemembersAll, "memory_is_a_state_of_one_shape", "one shape and type at every step"),
    (BeginsAtOne, "zeros_are_a_fresh_memory", "that None leads to"),
    (CountsForTheBatch, "memory_goes_with_its_row", "to go on as alone"),
    (CountsInPlace, "memory_holds_all_that_is_remembered", "that was given, as it was"),
    (CountsInItself, "memory_holds_all_that_is_remembered", "after the same choice"),
    (SaysGreedy, "greedy_is_the_most_probable", "the first of the largest"),
    (LastOfTheLargest, "greedy_is_the_most_probable", "the first of the largest"),
    (Multinomial, "seed_decides_the_text", "torch's random state"),
    (SearchesByChance, "seed_decides_the_text", "torch's random state"),
    (NeverTheSameTwice, "seed_decides_the_text", "from the same seed"),
    (BestOfTheBatch, "rows_go_on_as_if_alone", "to go on as alone"),
    (AllRowsEndTogether, "rows_go_on_as_if_alone", "to go on as alone"),
    (ComparesRows, "rows_go_on_as_if_alone", "to go on as alone"),
    (ForgetsTheLastRow, "rows_go_on_as_if_alone", "each of 6 rows; seen: 5"),
    (FindsNothing, "continuations_have_the_length_asked_for", "at least one for each row"),
    (OneTooMany, "continuations_have_the_length_asked_for", "continuations of 1 ids"),
    (WithThePrefix, "continuations_have_the_length_asked_for", "continuations of 1 ids"),
    (IdsAreTensors, "continuations_have_the_length_asked_for", "ids that are int"),
    (WiderThanTheVocabulary, "continuations_have_the_length_asked_for", "out of range"),
    (WorstFirst, "best_continuation_comes_first", "from the best to the worst"),
    (AsTheyCame, "best_continuation_comes_first", "from the best to the worst"),
    (GoesOnAfterAStop, "stop_token_ends_a_continuation", "an end with one of"),
    (DropsTheStop, "stop_token_ends_a_continuation", "an end with one of"),
    (KnowsStopTokensOnly, "limits_say_where_a_continuation_ends", "an end with 4"),
    (DoesNotReorder, "log_probabilities_are_the_models", "differs by"),
    (ReordersTheFirstTensor, "log_probabilities_are_the_models", "differs by"),
    (ReordersByRank, "log_probabilities_are_the_models", "differs by"),
    (ScoresWithTemperature, "log_probabilities_are_the_models", "differs by"),
    (DividesByLength, "log_probabilities_are_the_models", "differs by"),
    (ProbabilitiesWithoutLogarithm, "log_probabilities_are_the_models", "differs by"),
    (SaysOneScore, "log_probabilities_are_the_models", "one for each id"),
]
OF_CHOOSING = [*CHECKS][:5] + [*CHECKS][6:13]
OF_MEMORY = [*CHECKS][9:13]


@pytest.mark.parametrize(("decoder", "check", "message"), DEFECTS)
def test_a_planted_mistake_is_caught_by_its_check(decoder, check, message):
    with pytest.raises(Broken, match=message):
        verify(CHECKS[check], Subject.of("decoder", decoder, {}))


def test_every_check_catches_something():
    assert {check for _, check, _ in DEFECTS} == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_a_decoder_that_chooses_as_one_would_write_it_keeps_every_promise(check):
    greedily = check == "greedy_is_the_most_probable"
    written = Remembers if check in OF_MEMORY else Largest if greedily else Draws
    verify(CHECKS[check], Subject.of("decoder", written, {}))


@pytest.mark.parametrize("check", CHECKS)
def test_a_decoder_with_a_memory_keeps_every_promise(check):
    try:
        verify(CHECKS[check], Subject.of("decoder", Remembers, {}))
    except NotApplicable as reason:
        assert "greedy" in str(reason)  # noqa: PT017 # every other check applies


@pytest.mark.parametrize("check", CHECKS)
def test_a_search_keeps_every_promise_but_those_of_choosing(check):
    subject = Subject.of("decoder", Beam, {})
    if check in OF_CHOOSING:
        with pytest.raises(NotApplicable, match="searches instead"):
            CHECKS[check](subject)
    else:
        verify(CHECKS[check], subject)
