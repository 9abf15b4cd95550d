"""What a decoder of either form promises of continuations. Shapes: B rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product

import torch

from seqlab.contracts import Continuation, Limits, Start
from seqlab.generation.search import as_search
from seqlab.model.state import select_rows
from seqlab.testing.decoders.inputs import ROWS, SIZE, ToyModel, build_decoder
from seqlab.testing.promises import Subject, expect
from seqlab.testing.random_states import random_states_left_alone

LENGTH, STOPS = 24, frozenset({1, 4})
PAIRS = frozenset((first, second) for first in range(4) for second in range(first + 1, 4))
CLOSE = 1e-4
IMPOSSIBLE = tuple(range(0, SIZE, 2))

Continuations = Sequence[Sequence[Continuation]]


def _search(
    subject: Subject, limits: Limits, model: ToyModel, start: Start | None = None
) -> Continuations:
    """Search as the core does with a decoder of either form."""
    return as_search(build_decoder(subject, model.size), 0)(model, start or model.start(), limits)


def _select_row(start: Start, row: int) -> Start:
    rows = torch.tensor([row])
    logits, state = start.logits[rows], select_rows(start.state, rows)
    history, numbers = start.history[rows], start.rows[rows]
    return replace(start, logits=logits, state=state, history=history, rows=numbers)


def _ids(continuations: Continuations) -> list[list[tuple[int, ...]]]:
    return [[tuple(continuation.ids) for continuation in row] for row in continuations]


@torch.no_grad()
def seed_decides_the_text(subject: Subject) -> None:
    """One seed and one start give one text, whatever was drawn before; nothing is drawn."""
    model = ToyModel()
    with random_states_left_alone():
        first = _ids(_search(subject, Limits(LENGTH), model))
    again = _ids(_search(subject, Limits(LENGTH), model))
    expect(again == first, f"the same text from the same seed: {first[0]}", again[0])


@torch.no_grad()
def rows_go_on_as_if_alone(subject: Subject) -> None:
    """A row goes on in the same way alone and among others."""
    model, limits = ToyModel(), Limits(LENGTH, STOPS)
    start = model.start()
    together = _ids(_search(subject, limits, model, start))
    expect(len(together) == ROWS, f"continuations for each of {ROWS} rows", len(together))
    for row in range(ROWS):
        (alone,) = _ids(_search(subject, limits, model, _select_row(start, row)))
        expect(together[row] == alone, f"row {row} to go on as alone: {alone[:1]}", together[row])


@torch.no_grad()
def continuations_have_the_length_asked_for(subject: Subject) -> None:
    """Without stop tokens each row has at least one continuation, of `limits.length` ids each.

    One that the decoder has ended itself may be shorter.
    """
    for length, size in product((1, LENGTH), (2, SIZE)):
        found = _search(subject, Limits(length), ToyModel(size))
        rows = [[tuple(each.ids) for each in row if not each.ended] for row in found]
        all_rows = len(found) == ROWS and all(found)
        expect(all_rows, "at least one for each row", [len(row) for row in found])
        lengths = {len(ids) for row in rows for ids in row}
        expect(lengths <= {length}, f"continuations of {length} ids", f"of {lengths}")
        tokens = {token for row in rows for ids in row for token in ids}
        known = all(type(token) is int and 0 <= token < size for token in tokens)
        expect(known, f"ids that are int, from 0 to {size - 1}", sorted(tokens))


@torch.no_grad()
def best_continuation_comes_first(subject: Subject) -> None:
    """Where a row has several continuations, none is more probable than one before it."""
    for row in _search(subject, Limits(LENGTH), ToyModel()):
        scores = [continuation.score for continuation in row]
        falling = all(b <= a + CLOSE for a, b in pairwise(scores))
        expect(falling, "continuations from the best to the worst", scores)


@torch.no_grad()
def stop_token_ends_a_continuation(subject: Subject) -> None:
    """A continuation ends with its first stop token, or with the last id that was asked for."""
    limits = Limits(LENGTH, STOPS)
    _check_ends(subject, limits, f"an end with one of {set(STOPS)} or id {LENGTH}")


@torch.no_grad()
def limits_say_where_a_continuation_ends(subject: Subject) -> None:
    """A continuation ends with the first id for which `limits.stopped` is true of the ids so far.

    So does one that a text to stop at ends, which may lie across tokens.
    """
    limits = Limits(LENGTH, frozenset({4}), lambda ids: tuple(ids[-2:]) in PAIRS)
    promise = f"an end with 4, with one of {sorted(PAIRS)} or with id {LENGTH}"
    _check_ends(subject, limits, promise)


def _check_ends(subject: Subject, limits: Limits, promise: str) -> None:
    model = ToyModel(size=5)  # so that a stop comes soon
    for row in _ids(_search(subject, limits, model)):
        for ids in row:
            ends = (n for n in range(1, len(ids) + 1) if limits.ended(ids[:n]))
            expect(len(ids) == next(ends, LENGTH), promise, ids)


@torch.no_grad()
def impossible_tokens_are_in_no_continuation(subject: Subject) -> None:
    """No continuation has a token whose logit is -inf: the core makes unknown tokens impossible."""
    found = _ids(_search(subject, Limits(LENGTH), ToyModel(impossible=IMPOSSIBLE)))
    wrong = {*IMPOSSIBLE} & {token for row in found for ids in row for token in ids}
    expect(not wrong, f"no token of {IMPOSSIBLE}, whose logits are -inf", sorted(wrong))


@torch.no_grad()
def log_probabilities_are_the_models(subject: Subject) -> None:
    """Each id comes with the logarithm of the probability that the model itself gives it."""
    model = ToyModel()
    start = model.start()
    for number, row in enumerate(_search(subject, Limits(LENGTH), model, start)):
        for continuation in row:
            expected = _log_probabilities(model, _select_row(start, number), continuation.ids)
            actual = continuation.log_probabilities
            expect(len(actual) == len(expected), "one for each id", continuation)
            difference = max(abs(a - b) for a, b in zip(actual, expected, strict=True))
            seen = f"row {number} differs by {difference:.1e}"
            expect(difference <= CLOSE, "log-probabilities of the model", seen)


def _log_probabilities(model: ToyModel, start: Start, ids: Sequence[int]) -> list[float]:
    """The log-probability of each id, from the model alone."""
    logits, state, values = start.logits, start.state, []
    for token in ids:
        values.append(float(logits.log_softmax(-1)[0, token]))
        logits, state = model(torch.tensor([token]), state)
    return values
