"""What a decoder promises. Shapes: B rows, V vocabulary size, t tokens so far."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

import torch
from torch import Tensor

from seqlab.contracts import Continuation, Limits, SearchDecoder, Start
from seqlab.generation.search import as_search
from seqlab.model.state import select_rows
from seqlab.testing.chance import chance_left_alone
from seqlab.testing.made_up import ROWS, SIZE, Toy
from seqlab.testing.promises import Check, NotApplicable, Subject, expect

SO_FAR = 8
SIZES = (2, 3, 64, 1000)
PRECISIONS = (torch.float32, torch.bfloat16, torch.float64)
CHANCES = (0.0, 0.5, 1 - 2**-53)  # the last is the largest float64 below 1
FAR = 1e6  # nats: at any temperature in use the others' probability is 0 to the last digit
SAID = 1  # a token that fills a history, where nothing that is to be chosen was said before
LENGTH, STOPS = 24, frozenset({1, 4})
PAIRS = frozenset((one, other) for one in range(4) for other in range(4) if one < other)
CLOSE = 1e-4

Arguments = tuple[Tensor, Tensor, Tensor]
Found = Sequence[Sequence[Continuation]]


def _decoder(subject: Subject) -> Any:
    decoder = subject.build()
    either = any(callable(getattr(decoder, name, None)) for name in ("choose", "search"))
    expect(either, "a method `choose` or `search`", type(decoder).__name__)
    return decoder


def _choosing(subject: Subject) -> Any:
    decoder = _decoder(subject)
    if isinstance(decoder, SearchDecoder):
        raise NotApplicable("it searches instead of choosing")
    return decoder


def _arguments(
    rows: int = ROWS, size: int = SIZE, so_far: int = SO_FAR, chance: float | None = None
) -> Arguments:
    """Logits, history and uniform; the latter spread over [0, 1) unless it is given."""
    generator = torch.Generator().manual_seed(size + so_far)
    logits = torch.randn(rows, size, generator=generator) * 2
    history = torch.randint(size, (rows, so_far), generator=generator)
    drawn = torch.rand(rows, generator=generator, dtype=torch.float64)
    return logits, history, drawn if chance is None else torch.full_like(drawn, chance)


def _chosen(decoder: Any, arguments: Arguments) -> Tensor:
    """Choose, and see to it that what comes back are ids."""
    logits = arguments[0]
    ids: Tensor = decoder.choose(*arguments)
    expect(isinstance(ids, Tensor), "a tensor of ids", type(ids).__name__)
    form = tuple(ids.shape), ids.dtype, ids.device
    wanted = (len(logits),), torch.int64, logits.device
    expect(form == wanted, f"ids: shape, type and device {wanted}", form)
    size = logits.shape[1]
    inside = bool(((ids >= 0) & (ids < size)).all())
    expect(inside, f"ids from 0 to {size - 1}", ids.tolist())
    return ids


def _search(subject: Subject, start: Start, limits: Limits, model: Toy) -> Found:
    """What the core makes of a decoder of either form."""
    return as_search(_decoder(subject), 0)(model, start, limits)


def _alone(start: Start, row: int) -> Start:
    at = torch.tensor([row])
    state = select_rows(start.state, at)
    return Start(start.logits[at], state, start.history[at], start.rows[at])


def _ids(found: Found) -> list[list[tuple[int, ...]]]:
    return [[tuple(one.ids) for one in row] for row in found]


@torch.no_grad()
def ids_are_tokens_of_the_vocabulary(subject: Subject) -> None:
    """`choose` gives int64 ids (B,) from 0 to V - 1, for V from 2 to 1000 and any chance."""
    decoder = _choosing(subject)
    for size, chance, rows in product(SIZES, CHANCES, (1, ROWS)):
        _chosen(decoder, _arguments(rows, size, chance=chance))


@torch.no_grad()
def history_may_have_any_length(subject: Subject) -> None:
    """`choose` works after one token as after fifty."""
    decoder = _choosing(subject)
    for so_far in range(1, 51):
        _chosen(decoder, _arguments(so_far=so_far))


@torch.no_grad()
def logits_of_any_precision_do(subject: Subject) -> None:
    """`choose` takes float32, bfloat16 and float64 logits."""
    decoder = _choosing(subject)
    for precision in PRECISIONS:
        logits, history, uniform = _arguments()
        _chosen(decoder, (logits.to(precision), history, uniform))


@torch.no_grad()
def rows_are_chosen_for_as_if_alone(subject: Subject) -> None:
    """`choose` gives a row the same id alone, among others, and in another order of them."""
    decoder, arguments = _choosing(subject), _arguments()
    together = _chosen(decoder, arguments).tolist()
    rows = torch.arange(ROWS)
    alone = [int(_chosen(decoder, _pick(arguments, row))[0]) for row in torch.split(rows, 1)]
    expect(alone == together, f"the ids that each row has alone: {alone}", together)
    turned = _chosen(decoder, _pick(arguments, rows.flip(0))).tolist()
    expect(turned == together[::-1], "the same ids for rows in another order", turned)


def _pick(arguments: Arguments, rows: Tensor) -> Arguments:
    return arguments[0][rows], arguments[1][rows], arguments[2][rows]


@torch.no_grad()
def uniform_is_all_the_chance(subject: Subject) -> None:
    """The same arguments give the same ids: no generator matters or changes, nothing is kept."""
    decoder = _choosing(subject)
    with chance_left_alone():
        first = _chosen(decoder, _arguments()).tolist()
    for so_far in (3, SO_FAR + 1):
        _chosen(decoder, _arguments(so_far=so_far))
        again = _chosen(decoder, _arguments()).tolist()
        expect(again == first, f"the same ids from the same arguments: {first}", again)


@torch.no_grad()
def what_a_decoder_is_given_is_left_alone(subject: Subject) -> None:
    """Nothing is changed in place: logits, history and uniform, or the start of a search."""
    decoder, model = _decoder(subject), Toy()
    start, arguments = model.start(), _arguments()
    state: Any = start.state
    given = [start.logits, start.history, start.rows, state[0], state[1][0], *arguments]
    before = [tensor.clone() for tensor in given]
    as_search(decoder, 0)(model, start, Limits(LENGTH))
    if not isinstance(decoder, SearchDecoder):
        decoder.choose(*arguments)
    kept = all(one.equal(old) for one, old in zip(given, before, strict=True))
    expect(kept, "arguments that are as they were", "a tensor was changed in place")


@torch.no_grad()
def impossible_tokens_are_never_chosen(subject: Subject) -> None:
    """A token whose logit is -inf is not chosen, whatever the chance."""
    decoder = _choosing(subject)
    for chance, possible in product(CHANCES, ([SIZE // 2], [0], [SIZE - 1], [3, 8])):
        logits, history, uniform = _arguments(chance=chance)
        only = torch.full_like(logits, -torch.inf)
        only[:, possible] = logits[:, possible]
        ids = set(_chosen(decoder, (only, history * 0 + SAID, uniform)).tolist())
        seen = f"{sorted(ids)} with a chance of {chance}"
        expect(ids <= set(possible), f"ids whose logit is not -inf: {possible}", seen)


@torch.no_grad()
def certain_token_is_chosen(subject: Subject) -> None:
    """A token whose logit is far above all others, and that was not said yet, is chosen."""
    decoder = _choosing(subject)
    for chance, certain in product(CHANCES, (0, SIZE // 2, SIZE - 1)):
        logits, history, uniform = _arguments(chance=chance)
        logits[:, certain] += FAR
        ids = _chosen(decoder, (logits, history * 0 + SAID, uniform)).tolist()
        seen = f"{ids} with a chance of {chance}"
        expect(ids == [certain] * ROWS, f"token {certain}, which is certain", seen)


@torch.no_grad()
def seed_decides_the_text(subject: Subject) -> None:
    """One seed and one start give one text, whatever was drawn before; nothing is drawn."""
    model = Toy()
    with chance_left_alone():
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
    seed_decides_the_text,
    rows_go_on_as_if_alone,
    continuations_have_the_length_asked_for,
    best_continuation_comes_first,
    stop_token_ends_a_continuation,
    limits_say_where_a_continuation_ends,
    log_probabilities_are_the_models,
)
