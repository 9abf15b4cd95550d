"""What a decoder promises of its memory, if its `choose` names one. Shapes: B rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqlab.contracts import State
from seqlab.model.state import leaves, map_state, select_rows
from seqlab.testing.decoders.inputs import (
    HISTORY,
    ROWS,
    Arguments,
    build_choosing,
    call_choose,
    draw_arguments,
    names_of_choose,
)
from seqlab.testing.promises import NotApplicable, Subject, expect

STEPS = 6


class _Chosen(NamedTuple):
    ids: list[int]
    memory: State


def _build_remembering(subject: Subject) -> Any:
    decoder = build_choosing(subject)
    if "memory" not in names_of_choose(decoder):
        raise NotApplicable("its `choose` names no memory")
    return decoder


def _choose(decoder: Any, arguments: Arguments, memory: State | None = None) -> _Chosen:
    result = call_choose(decoder, arguments, memory)
    pair = isinstance(result, tuple) and len(result) == 2
    expect(pair, "(ids, memory), as it names `memory`", type(result).__name__)
    parts, rows = list(leaves(result[1])), len(arguments.logits)
    tensors = all(isinstance(part, Tensor) for part in parts)
    expect(tensors, "a memory that is a tensor or a tuple of them", [type(p) for p in parts])
    first = [tuple(part.shape[:1]) for part in parts]
    expect(all(size == (rows,) for size in first), f"{rows} rows first in all of it", first)
    return _Chosen(result[0].tolist(), result[1])


def _form(memory: State) -> list[tuple[tuple[int, ...], torch.dtype]]:
    return [(tuple(part.shape[1:]), part.dtype) for part in leaves(memory)]


def _steps(decoder: Any, rows: Tensor) -> list[list[int]]:
    """The ids of some rows at several steps, each of which is given the memory of the last."""
    ids, memory = [], None
    for step in range(STEPS):
        given = draw_arguments(length=HISTORY + step).rows(rows)
        chosen = _choose(decoder, given, memory)
        ids.append(chosen.ids)
        memory = chosen.memory
    return ids


def _check_equal(memory: State, expected: State, when: str) -> None:
    equal = all(a.equal(b) for a, b in zip(leaves(memory), leaves(expected), strict=True))
    expect(equal, f"the same memory {when}", "another one")


@torch.no_grad()
def memory_is_a_state_of_one_shape(subject: Subject) -> None:
    """The memory is a tensor or a tuple of them, rows first, and its shape stays as it is."""
    decoder = _build_remembering(subject)
    memory, forms = None, []
    for step in range(STEPS):
        memory = _choose(decoder, draw_arguments(length=HISTORY + step), memory).memory
        forms.append(_form(memory))
    forms.append(_form(_choose(decoder, draw_arguments(rows=1)).memory))
    same = all(form == forms[0] for form in forms)
    expect(same, f"one shape and type at every step: {forms[0]}", forms)


@torch.no_grad()
def zeros_are_a_fresh_memory(subject: Subject) -> None:
    """A memory of zeros means the same as None: the same ids, and the same memory after."""
    decoder = _build_remembering(subject)
    for length in (1, HISTORY):
        arguments = draw_arguments(length=length)
        none = _choose(decoder, arguments)
        zeros = _choose(decoder, arguments, map_state(torch.zeros_like, none.memory))
        expect(zeros.ids == none.ids, f"the ids that None leads to: {none.ids}", zeros.ids)
        _check_equal(zeros.memory, none.memory, "after zeros as after None")


@torch.no_grad()
def memory_goes_with_its_row(subject: Subject) -> None:
    """With a memory, too, a row goes on in the same way alone, and among others in any order."""
    decoder, rows = _build_remembering(subject), torch.arange(ROWS)
    together = _steps(decoder, rows)
    for row in torch.split(rows, 1):
        alone = _steps(decoder, row)
        seen = [ids[int(row)] for ids in together]
        own = [ids[0] for ids in alone]
        expect(own == seen, f"row {int(row)} to go on as alone: {own}", seen)
    _check_order(decoder, rows.flip(0))


def _check_order(decoder: Any, order: Tensor) -> None:
    """Reorder the rows and their memory between two steps."""
    first, second = draw_arguments(), draw_arguments(length=HISTORY + 1)
    memory = _choose(decoder, first).memory
    ids, after = _choose(decoder, second, memory)
    again = _choose(decoder, second.rows(order), select_rows(memory, order))
    expected = [ids[i] for i in order.tolist()]
    expect(again.ids == expected, f"the ids of rows in another order: {expected}", again.ids)
    _check_equal(again.memory, select_rows(after, order), "of rows in another order")


@torch.no_grad()
def memory_holds_all_that_is_remembered(subject: Subject) -> None:
    """The same memory leads to the same choice, whatever came in between, and stays as it is."""
    decoder = _build_remembering(subject)
    memory = _choose(decoder, draw_arguments()).memory
    before = map_state(torch.clone, memory)
    arguments = draw_arguments(length=HISTORY + 1)
    first = _choose(decoder, arguments, memory)
    _steps(decoder, torch.arange(ROWS))
    _check_equal(memory, before, "that was given, as it was")
    again = _choose(decoder, arguments, memory)
    expect(again.ids == first.ids, f"the same ids from the same memory: {first.ids}", again.ids)
    _check_equal(again.memory, first.memory, "after the same choice")
