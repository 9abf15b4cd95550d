"""What a decoder promises of `choose`. Shapes: B rows, V vocabulary size, t tokens so far."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor

from seqlab.contracts import ENDINGS, STUCK, Limits, SearchDecoder, offered
from seqlab.generation.search import as_search
from seqlab.testing.decoders.inputs import (
    HISTORY,
    ROWS,
    SIZE,
    Arguments,
    ToyModel,
    build_choosing,
    build_decoder,
    call_choose,
    draw_arguments,
    names_of_choose,
)
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone

SIZES = (2, 3, 64, 1000, 50_000)
MANY = 65  # rows
LENGTHS = (*range(1, 51), 64, 65, 100, 129, 257, 1025)  # of histories
UNIFORMS = (0.0, 0.5, 1 - 2**-53)  # the last is the largest float64 below 1
CERTAIN = 1e6  # nats above the others, whose probability is then 0 at any usual temperature
REPEATED = 1  # fills a history, so that the tokens to choose from are new
LENGTH = 24


def _choose(decoder: Any, arguments: Arguments) -> Tensor:
    """Call `choose` and check the form of its result."""
    logits = arguments.logits
    result = call_choose(decoder, arguments)
    remembers = "memory" in names_of_choose(decoder)
    pair = not remembers or (isinstance(result, tuple) and len(result) == 2)
    expect(pair, "(ids, memory), as it names `memory`", type(result).__name__)
    ids: Tensor = result[0] if remembers else result
    expect(isinstance(ids, Tensor), "a tensor of ids", type(ids).__name__)
    form = tuple(ids.shape), ids.dtype, ids.device
    right = (len(logits),), torch.int64, logits.device
    expect(form == right, f"ids: shape, type and device {right}", form)
    size, least = logits.shape[1], STUCK if offered(decoder, "may_end") is True else 0
    inside = bool(((ids >= least) & (ids < size)).all())
    expect(inside, f"ids from {least} to {size - 1}", ids.tolist())
    return ids


@torch.no_grad()
def ids_are_tokens_of_the_vocabulary(subject: Subject) -> None:
    """`choose` gives int64 ids (B,) from 0 to V - 1, for V from 2 to 50,000, any chance."""
    for size in SIZES:
        decoder = build_choosing(subject, size)
        for uniform, rows in product(UNIFORMS, (1, ROWS)):
            _choose(decoder, draw_arguments(rows, size, uniform=uniform))


@torch.no_grad()
def history_may_have_any_length(subject: Subject) -> None:
    """`choose` works after one token as after a thousand."""
    decoder = build_choosing(subject)
    for length in LENGTHS:
        try:
            _choose(decoder, draw_arguments(length=length))
        except (RuntimeError, LookupError, ValueError) as error:
            seen = f"{type(error).__name__}: {error}"
            expect(False, f"an id after a history of {length} tokens", seen)


@torch.no_grad()
def logits_of_any_precision_do(subject: Subject) -> None:
    """`choose` takes float32, bfloat16 and float64 logits."""
    decoder = build_choosing(subject)
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        arguments = draw_arguments()
        _choose(decoder, arguments._replace(logits=arguments.logits.to(dtype)))


@torch.no_grad()
def rows_are_chosen_for_as_if_alone(subject: Subject) -> None:
    """`choose` gives a row the same id alone, among others, and in another order of them."""
    decoder = build_choosing(subject)
    for count in (ROWS, MANY):
        arguments, rows = draw_arguments(count), torch.arange(count)
        together = _choose(decoder, arguments).tolist()
        alone = [int(_choose(decoder, arguments.rows(row))[0]) for row in torch.split(rows, 1)]
        wrong = [row for row in range(count) if alone[row] != together[row]]
        seen = f"others in rows {wrong[:3]} of {count}"
        expect(not wrong, f"the ids that each row has alone: {alone[:9]}", seen)
        reversed_ids = _choose(decoder, arguments.rows(rows.flip(0))).tolist()
        same = reversed_ids == together[::-1]
        expect(same, "the same ids for rows in another order", reversed_ids[:9])


@torch.no_grad()
def uniform_is_all_the_chance(subject: Subject) -> None:
    """The same arguments give the same ids: no generator matters or changes, nothing is kept."""
    decoder = build_choosing(subject)
    with random_states_left_alone():
        first = _choose(decoder, draw_arguments()).tolist()
    for length in (3, HISTORY + 1):
        _choose(decoder, draw_arguments(length=length))
        again = _choose(decoder, draw_arguments()).tolist()
        expect(again == first, f"the same ids from the same arguments: {first}", again)


@torch.no_grad()
def what_a_decoder_is_given_is_left_alone(subject: Subject) -> None:
    """Nothing is changed in place: logits, history and uniform, or the start of a search."""
    decoder, model = build_decoder(subject), ToyModel()
    start, arguments, long = model.start(), draw_arguments(), draw_arguments(length=300)
    state: Any = start.state
    given = [start.logits, start.history, start.rows, state[0], state[1][0], *arguments, *long]
    before = [tensor.clone() for tensor in given]
    as_search(decoder, 0)(model, start, Limits(LENGTH))
    if not isinstance(decoder, SearchDecoder):
        call_choose(decoder, arguments)
        call_choose(decoder, long)
    kept = all(tensor.equal(old) for tensor, old in zip(given, before, strict=True))
    expect(kept, "arguments that are as they were", "a tensor was changed in place")


@torch.no_grad()
def impossible_tokens_are_never_chosen(subject: Subject) -> None:
    """A token whose logit is -inf is not chosen, whatever the chance."""
    decoder = build_choosing(subject)
    for chance, possible in product(UNIFORMS, ([SIZE // 2], [0], [SIZE - 1], [3, 8])):
        drawn = draw_arguments(uniform=chance)
        masked = torch.full_like(drawn.logits, -torch.inf)
        masked[:, possible] = drawn.logits[:, possible]
        history = torch.full_like(drawn.history, REPEATED)
        ids = set(_choose(decoder, drawn._replace(logits=masked, history=history)).tolist())
        seen = f"{sorted(ids)} with a chance of {chance}"
        expect(ids <= {*possible, *ENDINGS}, f"ids whose logit is not -inf: {possible}", seen)


@torch.no_grad()
def certain_token_is_chosen(subject: Subject) -> None:
    """A token whose logit is far above all others, and that was not said yet, is chosen."""
    decoder = build_choosing(subject)
    for chance, token in product(UNIFORMS, (0, SIZE // 2, SIZE - 1)):
        drawn = draw_arguments(uniform=chance)
        drawn.logits[:, token] += CERTAIN
        history = torch.full_like(drawn.history, REPEATED)
        ids = _choose(decoder, drawn._replace(history=history)).tolist()
        seen = f"{ids} with a chance of {chance}"
        expect({*ids} <= {token, *ENDINGS}, f"token {token}, which is certain", seen)


@torch.no_grad()
def greedy_is_the_most_probable(subject: Subject) -> None:
    """A decoder that says `greedy` takes the largest logit, of equals the lowest id, always."""
    decoder = build_choosing(subject)
    if offered(decoder, "greedy") is not True:
        raise NotApplicable("it does not say that it is `greedy`")
    for chance, length in product(UNIFORMS, (1, HISTORY, 50)):
        drawn = draw_arguments(length=length, uniform=chance)
        for logits in (drawn.logits, drawn.logits.round()):  # of the rounded ones many are equal
            first = (logits == logits.amax(-1, keepdim=True)).int().argmax(-1).tolist()
            ids = _choose(decoder, drawn._replace(logits=logits)).tolist()
            expect(ids == first, f"the first of the largest logits: {first}", ids)
