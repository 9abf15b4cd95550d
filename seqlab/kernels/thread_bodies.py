"""A compiled loop -> a C function for OpenMP's threads, so that none of them waits for Python.

The function takes a pointer to integers: the addresses of OpenMP's functions for the number of a
thread and of all threads, the number of parts and of rows, and the loop's arguments: numbers as
they are, and of arrays the address and the shape. Importing this needs Numba.
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

from seqlab.arrays import TYPES

Kind: TypeAlias = "tuple[torch.dtype, int] | None"
"""An argument of a loop: an array of a dtype and a number of dimensions, or an integer."""

OWN = Path(__file__).read_bytes()
BODY = """
def body(pointer):
    words = carray(pointer, ({length},), np.int64)
    parts, rows = words[2], words[3]
    for part in range(call(words[0]), parts, call(words[1])):
        loop({arguments}, rows * part // parts, rows * (part + 1) // parts)
"""


@cache
def body_of(loop: Callable[..., Any], kinds: tuple[Kind, ...]) -> Any:
    """Return the C function (its `address`) of a loop, for the kinds of its arguments.

    It is compiled, and cached on disk, as the loop itself is.
    """
    source, function = _source(kinds), cast("Any", loop).py_func
    names = {"carray": carray, "np": np, "call": _call, "loop": loop, **POINTERS}
    names["__name__"] = loop.__module__
    exec(compile(source, function.__code__.co_filename, "exec"), names)  # noqa: S102 # ours alone
    body = names["body"]
    body.__qualname__ = f"{function.__qualname__}_{_identity(source, function.__code__)}"
    signature = types.void(types.CPointer(types.int64))
    cached = function.__closure__ is None  # in another process it may close over other values
    try:
        return cfunc(signature, cache=cached, error_model="numpy")(body)
    except RuntimeError:  # there is no place for a cache
        return cfunc(signature, error_model="numpy")(body)


def _identity(source: str, code: CodeType) -> str:
    """Tell loops of one name and one first line apart."""
    constants = [value for value in code.co_consts if not isinstance(value, CodeType)]
    parts = source, code.co_firstlineno, code.co_code, constants, code.co_names
    return sha256(OWN + repr(parts).encode()).hexdigest()[:8]


def _source(kinds: Iterable[Kind]) -> str:
    index = count(4)
    arguments = ", ".join([_argument(kind, index) for kind in kinds])
    return BODY.format(length=next(index), arguments=arguments)


def _argument(kind: Kind, index: Iterator[int]) -> str:
    if kind is None:
        return f"words[{next(index)}]"
    pointer = f"{_name(kind[0])}(words[{next(index)}])"
    return f"carray({pointer}, ({''.join(f'words[{next(index)}], ' for _ in range(kind[1]))}))"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).rpartition(".")[2]


@intrinsic
def _call(_: Any, address: Any) -> Any:
    """Call a C function without parameters that returns an int."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        signature = ir.FunctionType(ir.IntType(32), [])
        result = builder.call(builder.inttoptr(arguments[0], signature.as_pointer()), [])
        return builder.sext(result, ir.IntType(64))

    return types.int64(address), generate


def _pointer_to(kind: Any) -> Any:
    @intrinsic
    def pointer(_: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(address), generate

    return pointer


POINTERS = {name: _pointer_to(getattr(types, name)) for name in map(_name, TYPES)}
