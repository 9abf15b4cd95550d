"""What a sampler promises. Shapes: B rows, T window; N tokens, whose ids are their positions."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import torch

from seqlab.contracts import Batch, offered
from seqlab.data.tokens import Tokens
from seqlab.errors import CorpusError
from seqlab.testing import numbered_tokens
from seqlab.testing.batches import (
    OneEpoch,
    batches_of,
    check_continued,
    check_shape,
    counted,
    expect_same,
)
from seqlab.testing.numbered_tokens import SIZES, MakeTokens, numbered
from seqlab.testing.promises import Subject, expect
from seqlab.testing.random_states import random_states_left_alone

SEED = 3
SEEDS = (0, 2**63 - 1)  # the smallest and the largest of an experiment
EPOCHS = (0, 1, 4)
Epochs: TypeAlias = tuple[int, ...]
SHORT_SIZES = range(1, 20)
LARGE = 78_179  # tokens; more than 16 bits can number


def _build(
    subject: Subject, make: MakeTokens = numbered, *, seed: int = SEED, more: int = 1
) -> tuple[Any, Tokens]:
    """Build a sampler over the smallest corpus that has two batches, or else one.

    `more` is added to a prime number of tokens: with 1, the number of targets is prime.
    """
    smallest: tuple[Any, Tokens] | None = None
    for size in SIZES:
        tokens = make(size + more)
        sampler = _try_to_build(subject, tokens, seed)
        if sampler is None:
            continue
        smallest = smallest or (sampler, tokens)
        if len(sampler) > 1:
            return sampler, tokens
    return smallest or (subject.build(tokens, seed), tokens)


def epoch_has_batches(subject: Subject) -> None:
    """`len()` says how many batches an epoch has: at least one."""
    _check_length(*_build(subject))


def _check_length(sampler: Any, tokens: Tokens, _: Epochs = EPOCHS) -> None:
    seen = f"{len(sampler)} for {len(tokens)} tokens"
    expect(len(sampler) > 0, "a batch in every epoch", seen)


def batches_have_their_shapes(subject: Subject) -> None:
    """Inputs and targets are int64 (B, T), `continues` bool (B,), weights None or float (B, T)."""
    _check_shapes(*_build(subject))
    _check_shapes(*_build(subject, numbered_tokens.weighted))


def _check_shapes(sampler: Any, tokens: Tokens, epochs: Epochs = EPOCHS) -> None:
    for epoch in epochs:
        for batch in batches_of(sampler, epoch):
            check_shape(batch, len(tokens))


def targets_are_inputs_shifted(subject: Subject) -> None:
    """A row is a run of tokens as they stand; its targets are its inputs, one further."""
    _check_shift(*_build(subject))


def _check_shift(sampler: Any, _: Tokens, epochs: Epochs = EPOCHS) -> None:
    for epoch in epochs:
        for batch in batches_of(sampler, epoch):
            counts = counted(batch)
            wrong = counts & (batch.targets != batch.inputs + 1)
            seen = f"{batch.targets[wrong][:3].tolist()} for {batch.inputs[wrong][:3].tolist()}"
            expect(not wrong.any(), "the next token as the target of each input", seen)
            both = counts[:, 1:] & counts[:, :-1]  # where documents meet, one may not count
            gaps = both & (batch.inputs[:, 1:] != batch.targets[:, :-1])
            if batch.starts is not None:
                gaps &= ~batch.starts[:, 1:]
            row = batch.inputs[gaps.any(1)][:1].tolist()
            expect(not gaps.any(), "rows without a gap between targets that count", row)


def epoch_covers_what_it_declares(subject: Subject) -> None:
    """Every target is either trained in an epoch or in `left_out`, and none is in both."""
    for more in (0, 1, 2):
        _check_coverage(*_build(subject, more=more))


def _check_coverage(sampler: Any, tokens: Tokens, epochs: Epochs = EPOCHS) -> None:
    for epoch in epochs:
        trained = _trained(sampler, epoch)
        left_out = _left_out(sampler, epoch)
        both = sorted(trained & left_out)[:3]
        expect(not both, "no target both trained and left out", f"{both} in epoch {epoch}")
        targets = set(range(1, len(tokens)))
        expect(left_out <= targets, f"positions of 1 … {len(tokens) - 1}", left_out - targets)
        weightless = set() if tokens.weights is None else set(np.flatnonzero(tokens.weights == 0))
        lost = targets - trained - left_out - weightless
        seen = f"{len(lost)} are neither in epoch {epoch}, such as {sorted(lost)[:3]}"
        expect(not lost, "every target to be trained or left out", seen)


def _trained(sampler: Any, epoch: int) -> set[int]:
    """The positions of the targets that count, which are their ids."""
    batches = batches_of(sampler, epoch)
    return {target for batch in batches for target in batch.targets[counted(batch)].tolist()}


def _left_out(sampler: Any, epoch: int) -> set[int]:
    ranges = list(sampler.left_out(epoch))
    expect(all(isinstance(r, range) for r in ranges), "`left_out` as ranges", ranges[:3])
    positions = {position for r in ranges for position in r}
    once = len(positions) == sum(map(len, ranges))
    expect(once, "each position in one range of `left_out` only", ranges[:3])
    return positions


def weights_are_those_of_the_tokens(subject: Subject) -> None:
    """A target that is trained counts as much as its token does; None: once."""
    for make in (numbered, numbered_tokens.weighted):
        sampler, tokens = _build(subject, make)
        _check_coverage(sampler, tokens)
        for epoch in EPOCHS:
            for batch in batches_of(sampler, epoch):
                _check_weights(batch, tokens, epoch)


def _check_weights(batch: Batch, tokens: Tokens, epoch: int) -> None:
    counts = counted(batch)
    weights = torch.ones(len(tokens)) if tokens.weights is None else torch.tensor(tokens.weights)
    expected = weights[batch.targets[counts]]
    actual = torch.ones(len(expected)) if batch.weights is None else batch.weights[counts]
    wrong = actual != expected
    seen = f"{actual[wrong][:3].tolist()}, not {expected[wrong][:3].tolist()}, in epoch {epoch}"
    expect(not wrong.any(), "targets that count as their tokens do, or not at all", seen)


def rows_continue_truthfully(subject: Subject) -> None:
    """A row that continues begins where the same row of the batch before it ended."""
    _check_rows(*_build(subject))


def _check_rows(sampler: Any, _: Tokens, epochs: Epochs = EPOCHS) -> None:
    for epoch in epochs:
        batches = batches_of(sampler, epoch)
        if offered(sampler, "carries_over_epochs") is not True:
            expect(not batches[0].continues.any(), "no row to continue into an epoch", "one does")
        for before, batch in pairwise(batches):
            if batch.continues.any():
                check_continued(before, batch)


def batch_depends_on_epoch_and_index(subject: Subject) -> None:
    """`batch(epoch, index)` is a function: in any order, twice, from another instance the same."""
    sampler, tokens = _build(subject)
    ids = tokens.ids.copy()
    counts = {epoch: len(batches_of(sampler, epoch)) for epoch in EPOCHS}
    indices = [(epoch, index) for epoch, count in counts.items() for index in range(count)]
    _check_order_of_epochs(subject, sampler, tokens)
    expected = {index: sampler.batch(*index) for index in indices}
    random.Random(SEED).shuffle(indices)  # noqa: S311 # any order will do
    other = subject.build(tokens, SEED)
    for index in indices:
        for instance in (other, sampler):
            promise = f"batch {index} to be the same"
            expect_same(instance.batch(*index), expected[index], promise)
    expect(np.array_equal(tokens.ids, ids), "tokens to be left as they were", "others")


def _check_order_of_epochs(subject: Subject, sampler: Any, tokens: Tokens) -> None:
    """Compare an instance that begins with the first epoch with one that begins with the last."""
    other, first = subject.build(tokens, SEED), {}
    for epoch in EPOCHS:
        first[epoch] = sampler.batch(epoch, 0), list(sampler.left_out(epoch))
    for epoch in reversed(EPOCHS):
        left_out, batch = list(other.left_out(epoch)), other.batch(epoch, 0)
        expect_same(batch, first[epoch][0], f"batch {(epoch, 0)} to be the same")
        same = left_out == first[epoch][1]
        expect(same, f"another instance to leave out the same in epoch {epoch}", "other targets")


def chance_comes_from_the_seed_alone(subject: Subject) -> None:
    """Global random states neither change a batch nor are changed by one."""
    sampler, tokens = _build(subject)
    expected = batches_of(sampler, 1)
    with random_states_left_alone():
        actual = batches_of(subject.build(tokens, SEED), 1)
        sampler.left_out(1)
    for batch, other in zip(actual, expected, strict=True):
        expect_same(batch, other, "the same batches whatever the global random states are")


def any_seed_is_as_good(subject: Subject) -> None:
    """Every seed from 0 to 2**63 - 1 gives batches that keep these promises."""
    for seed in SEEDS:
        _check_all(*_build(subject, seed=seed))


def _check_all(sampler: Any, tokens: Tokens, epochs: Epochs = EPOCHS) -> None:
    for check in (_check_length, _check_shapes, _check_shift, _check_coverage, _check_rows):
        check(sampler, tokens, epochs)


def rates_are_numbers(subject: Subject) -> None:
    """`rate(epoch, index)`, where a sampler has it, is pure, and a number of 0 or more."""
    sampler, tokens = _build(subject)
    rate = offered(sampler, "rate")
    if rate is None:
        return
    places = [(epoch, n) for epoch in EPOCHS for n in range(len(batches_of(sampler, epoch)))]
    rates = {place: rate(*place) for place in places}
    wrong = [r for r in rates.values() if type(r) is not float or not 0 <= r < math.inf]
    expect(not wrong, "rates that are finite floats of 0 or more", wrong[:3])
    other = subject.build(tokens, SEED)
    same = all(other.rate(*place) == rates[place] for place in reversed(places))
    expect(same, "the same rates from another instance, in another order", "others")


def documents_may_be_few_or_many(subject: Subject) -> None:
    """One document is enough, and many small ones do no harm."""
    for make in (numbered_tokens.one_document, numbered_tokens.many_documents):
        _check_all(*_build(subject, make))


def corpus_may_be_large(subject: Subject) -> None:
    """A corpus of more tokens than 16 bits can number is trained like any other."""
    tokens = numbered(LARGE)
    _check_all(OneEpoch(subject.build(tokens, SEED), 1), tokens, (1,))


def documents_start_as_it_says(subject: Subject) -> None:
    """`documents = "fresh"` if, and only if, no first token of a document is ever a target."""
    sampler, tokens = _build(subject, numbered_tokens.many_documents)
    trained = _trained(sampler, 0) | _trained(sampler, 1)
    seen = sorted(trained & {int(first) for first in tokens.documents})[:3]
    expected = "carried" if seen else "fresh"
    declared = "carried" if (value := offered(sampler, "documents")) is None else value
    because = f", while targets have the first tokens {seen}" if seen else ""
    expect(declared == expected, f"`documents` to say {expected!r}", f"{declared!r}{because}")


def short_corpus_works_or_is_refused(subject: Subject) -> None:
    """A corpus of a few tokens works, or the factory raises CorpusError or ValueError."""
    for count in (*SHORT_SIZES, *_sizes_around_the_smallest(subject)):
        tokens = numbered_tokens.one_document(count)
        sampler = _try_to_build(subject, tokens)
        if sampler is not None:
            _check_all(sampler, tokens)


def _try_to_build(subject: Subject, tokens: Tokens, seed: int = SEED) -> Any:
    """A sampler; None: the factory refuses the tokens."""
    try:
        return subject.build(tokens, seed)
    except (CorpusError, ValueError):
        return None


def _sizes_around_the_smallest(subject: Subject) -> range:
    """Sizes around the smallest one that is not refused."""
    refused, built = 0, len(_build(subject, numbered_tokens.one_document)[1])
    while built - refused > 1:
        middle = (refused + built) // 2
        if _try_to_build(subject, numbered_tokens.one_document(middle)) is None:
            refused = middle
        else:
            built = middle
    return range(max(refused, 1), built + 2)
