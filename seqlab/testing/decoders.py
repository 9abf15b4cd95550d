"""What a decoder promises. Shapes: B rows, V vocabulary size, t tokens so far."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

import torch

from seqlab.contracts import Continuation, Limits, SearchDecoder, Start
from seqlab.generation.search import as_search
from seqlab.model.state import select_rows
from seqlab.testing.choosing_decoders import (
    build_decoder,
    certain_token_is_chosen,
    draw_arguments,
    greedy_is_the_most_probable,
    history_may_have_any_length,
    ids_are_tokens_of_the_vocabulary,
    impossible_tokens_are_never_chosen,
    logits_of_any_precision_do,
    rows_are_chosen_for_as_if_alone,
    uniform_is_all_the_chance,
)
from seqlab.testing.promises import Check, Subject, expect
from seqlab.testing.random_states import random_states_left_alone
from seqlab.testing.toy_model import ROWS, SIZE, Toy

LENGTH, STOPS = 24, frozenset({1, 4})
PAIRS = frozenset((one, other) for one in range(4) for other in range(4) if one < other)
CLOSE = 1e-4

Found = Sequence[Sequence[Continuation]]


def _search(subject: Subject, start: Start, limits: Limits, model: Toy) -> Found:
    """What the core makes of a decoder of either form."""
    return as_search(build_decoder(subject), 0)(model, start, limits)


def _alone(start: Start, row: int) -> Start:
    at = torch.tensor([row])
    state = select_rows(start.state, at)
    return Start(start.logits[at], state, start.history[at], start.rows[at])


def _ids(found: Found) -> list[list[tuple[int, ...]]]:
    return [[tuple(one.ids) for one in row] for row in found]


@torch.no_grad()
def what_a_decoder_is_given_is_left_alone(subject: Subject) -> None:
    """Nothing is changed in place: logits, history and uniform, or the start of a search."""
    decoder, model = build_decoder(subject), Toy()
    start, arguments = model.start(), draw_arguments()
    state: Any = start.state
    given = [start.logits, start.history, start.rows, state[0], state[1][0], *arguments]
    before = [tensor.clone() for tensor in given]
    as_search(decoder, 0)(model, start, Limits(LENGTH))
    if not isinstance(decoder, SearchDecoder):
        decoder.choose(*arguments)
    kept = all(one.equal(old) for one, old in zip(given, before, strict=True))
    expect(kept, "arguments that are as they were", "a tensor was changed in place")


@torch.no_grad()
def seed_decides_the_text(subject: Subject) -> None:
    """One seed and one start give one text, whatever was drawn before; nothing is drawn."""
    model = Toy()
    with random_states_left_alone():
        first = _ids(_search(subject, model.start(), Limits(LENGTH), model))
    again = _ids(_search(subject, model.start(), Limits(LENGTH), model))
    expect(again == first, f"the same text from the same seed: {first[0]}", again[0])


@torch.no_grad()
def rows_go_on_as_if_alone(subject: Subject) -> None:
    """A row goes on in the same way alone and among others."""
    model, limits = Toy(), Limits(LENGTH, STOPS)
    start = model.start()
    together = _ids(_search(subject, start, limits, model))
    expect(len(together) == ROWS, f"continuations for each of {ROWS} rows", len(together))
    for row in range(ROWS):
        (alone,) = _ids(_search(subject, _alone(start, row), limits, model))
        expect(together[row] == alone, f"row {row} to go on as alone: {alone[:1]}", together[row])


@torch.no_grad()
def continuations_have_the_length_asked_for(subject: Subject) -> None:
    """Without stop tokens each row has at least one continuation, of `limits.length` ids each."""
    for length, size in product((1, LENGTH), (2, SIZE)):
        model = Toy(size)
        found = _search(subject, model.start(), Limits(length), model)
        counts = [len(row) for row in found]
        expect(len(counts) == ROWS and min(counts) > 0, "at least one for each row", counts)
        lengths = {len(one.ids) for row in found for one in row}
        expect(lengths == {length}, f"continuations of {length} ids", f"of {lengths}")
        ids = {token for row in found for one in row for token in one.ids}
        known = all(type(token) is int and 0 <= token < size for token in ids)
        expect(known, f"ids that are int, from 0 to {size - 1}", sorted(ids))


@torch.no_grad()
def best_continuation_comes_first(subject: Subject) -> None:
    """Where a row has several continuations, none is more probable than one before it."""
    model = Toy()
    for row in _search(subject, model.start(), Limits(LENGTH), model):
        scores = [one.score for one in row]
        falling = all(b <= a + CLOSE for a, b in pairwise(scores))
        expect(falling, "continuations from the best to the worst", scores)


@torch.no_grad()
def stop_token_ends_a_continuation(subject: Subject) -> None:
    """A continuation ends with its first stop token, or with the last id that was asked for."""
    model = Toy(size=5)  # so that a stop token comes soon
    for row in _search(subject, model.start(), Limits(LENGTH, STOPS), model):
        for one in row:
            stops = [place + 1 for place, token in enumerate(one.ids) if token in STOPS]
            end = min([*stops, LENGTH])
            expect(len(one.ids) == end, f"an end with one of {set(STOPS)} or id {LENGTH}", one.ids)


@torch.no_grad()
def limits_say_where_a_continuation_ends(subject: Subject) -> None:
    """A continuation ends with the first id for which `limits.stopped` is true of the ids so far.

    So does one that a text to stop at ends, which may lie across tokens.
    """
    model = Toy(size=5)
    limits = Limits(LENGTH, frozenset({4}), lambda ids: tuple(ids[-2:]) in PAIRS)
    for row in _search(subject, model.start(), limits, model):
        for one in row:
            end = next(n for n in range(1, LENGTH + 1) if limits.ended(one.ids[:n]))
            wanted = f"an end with 4, with one of {sorted(PAIRS)} or with id {LENGTH}"
            expect(len(one.ids) == end, wanted, one.ids)


@torch.no_grad()
def log_probabilities_are_the_models(subject: Subject) -> None:
    """Each id comes with the logarithm of the probability that the model itself gives it."""
    model = Toy()
    start = model.start()
    for number, row in enumerate(_search(subject, start, Limits(LENGTH), model)):
        for one in row:
            wanted = _walked(model, _alone(start, number), one.ids)
            expect(len(one.log_probabilities) == len(wanted), "one for each id", one)
            pairs = zip(one.log_probabilities, wanted, strict=True)
            distance = max(abs(found - right) for found, right in pairs)
            seen = f"row {number} differs by {distance:.1e}"
            expect(distance <= CLOSE, "log-probabilities of the model", seen)


def _walked(model: Toy, start: Start, ids: Sequence[int]) -> list[float]:
    """The log-probability of each id, from the model alone."""
    logits, state, found = start.logits, start.state, []
    for token in ids:
        found.append(float(logits.log_softmax(-1)[0, token]))
        logits, state = model(torch.tensor([token]), state)
    return found


CHECKS: tuple[Check, ...] = (
    ids_are_tokens_of_the_vocabulary,
    history_may_have_any_length,
    logits_of_any_precision_do,
    rows_are_chosen_for_as_if_alone,
    uniform_is_all_the_chance,
    what_a_decoder_is_given_is_left_alone,
    impossible_tokens_are_never_chosen,
    certain_token_is_chosen,
    greedy_is_the_most_probable,
    seed_decides_the_text,
    rows_go_on_as_if_alone,
    continuations_have_the_length_asked_for,
    best_continuation_comes_first,
    stop_token_ends_a_continuation,
    limits_say_where_a_continuation_ends,
    log_probabilities_are_the_models,
)
