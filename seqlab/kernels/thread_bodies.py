"""A compiled loop -> what threads of OpenMP can be given, so that none waits for Python.

Such a body takes one pointer, to whole numbers: where OpenMP says which thread one is and of how
many, how many parts and rows there are, and what the loop is given: numbers, and of arrays their
address and shape. Importing this needs Numba.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-call, attr-defined"

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from hashlib import sha256
from itertools import count
from pathlib import Path
from types import CodeType
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from llvmlite import ir
from numba import carray, cfunc, types
from numba.extending import intrinsic

Kind: TypeAlias = "tuple[torch.dtype, int] | None"
"""What a loop is given: an array of so many dimensions, or a number."""

OWN = Path(__file__).read_bytes()
BODY = """
def body(words):
    given = carray(words, ({length},), np.int64)
    parts, rows = given[2], given[3]
    for part in range(ask(given[0]), parts, ask(given[1])):
        loop({arguments}, rows * part // parts, rows * (part + 1) // parts)
"""


@cache
def body_of(loop: Callable[..., Any], kinds: tuple[Kind, ...]) -> Any:
    """Return what has the `address` of the body of a loop, for what it is given.

    It is written for the kinds, and compiled and kept as the loop itself is.
    """
    source, function = _source(kinds), cast("Any", loop).py_func
    known = {"carray": carray, "np": np, "ask": _ask, "loop": loop, **POINTERS}
    known["__name__"] = loop.__module__
    exec(compile(source, function.__code__.co_filename, "exec"), known)  # noqa: S102 # ours alone
    body = known["body"]
    body.__qualname__ = f"{function.__qualname__}_{_identity(source, function.__code__)}"
    signature = types.void(types.CPointer(types.int64))
    # What a loop closes over may be another value in another process.
    kept = function.__closure__ is None
    try:
        return cfunc(signature, cache=kept, error_model="numpy")(body)
    except RuntimeError:  # it can be kept nowhere
        return cfunc(signature, error_model="numpy")(body)


def _identity(source: str, code: CodeType) -> str:
    """Tell bodies apart of which the loops have one name, for all begin at the same line."""
    constants = [one for one in code.co_consts if not isinstance(one, CodeType)]
    parts = source, code.co_firstlineno, code.co_code, constants, code.co_names
    return sha256(OWN + repr(parts).encode()).hexdigest()[:8]


def _source(kinds: Iterable[Kind]) -> str:
    place = count(4)
    arguments = ", ".join([_argument(kind, place) for kind in kinds])
    return BODY.format(length=next(place), arguments=arguments)


def _argument(kind: Kind, place: Iterator[int]) -> str:
    if kind is None:
        return f"given[{next(place)}]"
    pointer = f"{_name(kind[0])}(given[{next(place)}])"
    return f"carray({pointer}, ({''.join(f'given[{next(place)}], ' for _ in range(kind[1]))}))"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).rpartition(".")[2]


@intrinsic
def _ask(_: Any, address: Any) -> Any:
    """Call a function that takes nothing and returns a C int."""

    def generate(_: Any, builder: Any, __: Any, given: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [])
        found = builder.call(builder.inttoptr(given[0], kind.as_pointer()), [])
        return builder.sext(found, ir.IntType(64))

    return types.int64(address), generate


def _pointer_to(kind: Any) -> Any:
    @intrinsic
    def pointer(_: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            return builder.inttoptr(given[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(address), generate

    return pointer


POINTERS = {
    _name(dtype): _pointer_to(kind)
    for dtype, kind in (
        (torch.float32, types.float32),
        (torch.float64, types.float64),
        (torch.int64, types.int64),
    )
}
