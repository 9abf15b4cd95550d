"""What a decoder that chooses promises. Shapes: B rows, V vocabulary size, t tokens so far."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor

from seqlab.contracts import SearchDecoder
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone
from seqlab.testing.toy_model import ROWS, SIZE

SO_FAR = 8
SIZES = (2, 3, 64, 1000)
PRECISIONS = (torch.float32, torch.bfloat16, torch.float64)
CHANCES = (0.0, 0.5, 1 - 2**-53)  # the last is the largest float64 below 1
FAR = 1e6  # nats: at any temperature in use the others' probability is 0 to the last digit
SAID = 1  # a token that fills a history, where nothing that is to be chosen was said before
Arguments = tuple[Tensor, Tensor, Tensor]


def build_decoder(subject: Subject) -> Any:
    decoder = subject.build()
    either = any(callable(getattr(decoder, name, None)) for name in ("choose", "search"))
    expect(either, "a method `choose` or `search`", type(decoder).__name__)
    return decoder


def _choosing(subject: Subject) -> Any:
    decoder = build_decoder(subject)
    if isinstance(decoder, SearchDecoder):
        raise NotApplicable("it searches instead of choosing")
    return decoder


def draw_arguments(
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


@torch.no_grad()
def ids_are_tokens_of_the_vocabulary(subject: Subject) -> None:
    """`choose` gives int64 ids (B,) from 0 to V - 1, for V from 2 to 1000 and any chance."""
    decoder = _choosing(subject)
    for size, chance, rows in product(SIZES, CHANCES, (1, ROWS)):
        _chosen(decoder, draw_arguments(rows, size, chance=chance))


@torch.no_grad()
def history_may_have_any_length(subject: Subject) -> None:
    """`choose` works after one token as after fifty."""
    decoder = _choosing(subject)
    for so_far in range(1, 51):
        _chosen(decoder, draw_arguments(so_far=so_far))


@torch.no_grad()
def logits_of_any_precision_do(subject: Subject) -> None:
    """`choose` takes float32, bfloat16 and float64 logits."""
    decoder = _choosing(subject)
    for precision in PRECISIONS:
        logits, history, uniform = draw_arguments()
        _chosen(decoder, (logits.to(precision), history, uniform))


@torch.no_grad()
def rows_are_chosen_for_as_if_alone(subject: Subject) -> None:
    """`choose` gives a row the same id alone, among others, and in another order of them."""
    decoder, arguments = _choosing(subject), draw_arguments()
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
    with random_states_left_alone():
        first = _chosen(decoder, draw_arguments()).tolist()
    for so_far in (3, SO_FAR + 1):
        _chosen(decoder, draw_arguments(so_far=so_far))
        again = _chosen(decoder, draw_arguments()).tolist()
        expect(again == first, f"the same ids from the same arguments: {first}", again)


@torch.no_grad()
def impossible_tokens_are_never_chosen(subject: Subject) -> None:
    """A token whose logit is -inf is not chosen, whatever the chance."""
    decoder = _choosing(subject)
    for chance, possible in product(CHANCES, ([SIZE // 2], [0], [SIZE - 1], [3, 8])):
        logits, history, uniform = draw_arguments(chance=chance)
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
        logits, history, uniform = draw_arguments(chance=chance)
        logits[:, certain] += FAR
        ids = _chosen(decoder, (logits, history * 0 + SAID, uniform)).tolist()
        seen = f"{ids} with a chance of {chance}"
        expect(ids == [certain] * ROWS, f"token {certain}, which is certain", seen)


@torch.no_grad()
def greedy_is_the_most_probable(subject: Subject) -> None:
    """A decoder that says `greedy` takes the largest logit, of equals the lowest id, always."""
    decoder = _choosing(subject)
    if getattr(decoder, "greedy", None) is not True:
        raise NotApplicable("it does not say that it is `greedy`")
    for chance, so_far in product(CHANCES, (1, SO_FAR, 50)):
        logits, history, uniform = draw_arguments(so_far=so_far, chance=chance)
        for given in (logits, logits.round()):  # of which many are equal
            wanted = (given == given.amax(-1, keepdim=True)).int().argmax(-1).tolist()
            ids = _chosen(decoder, (given, history, uniform)).tolist()
            expect(ids == wanted, f"the first of the largest logits: {wanted}", ids)
