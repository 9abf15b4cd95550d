"""Operations: each has a reference in plain torch, and backends that give the same faster.

`choose` is the one place that picks a backend, from device, dtype and shapes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod
from typing import Any, Generic, NamedTuple, TypeVar, TypeVarTuple

import torch
from torch import Tensor

from seqlab.errors import UsageError
from seqlab.kernels.hardware import fewer_digits_pay

VARIABLE = "SEQLAB_KERNELS"
Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")
_requested: ContextVar[str | None] = ContextVar("requested", default=None)


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Backend:
    """One fast way to compute an operation.

    Args:
        name: what it is made with, such as `numba`.
        compute: has the parameters and results of the operation.
        device: the type of device of all tensors; None: any.
        dtypes: of all floating tensors, which must share one; empty: any.
        least_work: from which work on it is faster (see `Operation`).
        least_rows: the number of rows (B) that it needs for each thread.
        available: whether this machine has what it needs; called last.
    """

    name: str
    compute: Callable[..., Any]
    device: str | None = "cpu"
    dtypes: tuple[torch.dtype, ...] = (torch.float32,)
    least_work: int = 0
    least_rows: int = 0
    available: Callable[[], bool] = _always


class Form(NamedTuple):
    """What a backend is chosen by: the device of the tensors, their dtypes, their sizes by name."""

    device: str
    dtypes: frozenset[torch.dtype]
    sizes: dict[str, Any]  # those of "*" are a tuple


class Operation(Generic[*Arguments, Result]):
    """A function of tensors: a plain reference, and backends of which one is chosen at each call.

    Args:
        reference: plain, differentiable torch.
        shapes: of the tensors, in order: "T B 3H" is (T, B, 3 H), and "*" any dimensions. Tensors
            of other shapes go to the reference, whose error says what is wrong.
        work: the sizes whose product is the amount of work: "T B 3H H".
        product: the sizes of one matrix product, if autocast should compute it. On a CPU the
            reference is taken under autocast where such a product is faster in fewer digits.
        counts: names of the integer arguments, in order; they are sizes, too.
        backends: returns the backends, the fastest first. It is called at the first call of the
            operation, so that nothing is imported before.
    """

    def __init__(
        self,
        reference: Callable[[*Arguments], Result],
        *,
        shapes: Sequence[str],
        work: str,
        product: str = "",
        counts: str = "",
        backends: Callable[[], Iterable[Backend]],
    ) -> None:
        self.reference = reference
        self.__doc__ = reference.__doc__
        self._shapes = [_parsed(shape) for shape in shapes]
        self._work, self._product = _parsed(work), _parsed(product)
        self._counts = counts.split()
        self._backends = backends

    def __call__(self, *arguments: *Arguments) -> Result:
        return choose(self, arguments)(*arguments)

    @cached_property
    def backends(self) -> tuple[Backend, ...]:
        return tuple(self._backends())

    def form(self, arguments: Sequence[Any]) -> Form | None:
        """Return the form of the arguments; None: their shapes or devices do not fit."""
        tensors = list(_tensors(arguments))
        counts = (value for value in arguments if isinstance(value, int))
        sizes: dict[str, Any] = dict(zip(self._counts, counts, strict=False))
        devices = {tensor.device.type for tensor in tensors}
        fits = all(
            _fits(tensor.shape, shape, sizes)
            for tensor, shape in zip(tensors, self._shapes, strict=False)
        )
        if not fits or len(devices) != 1:
            return None
        dtypes = frozenset(tensor.dtype for tensor in tensors if tensor.is_floating_point())
        return Form(devices.pop(), dtypes, sizes)

    def work(self, sizes: dict[str, Any]) -> int:
        """Return the amount of work for sizes by name."""
        return _times(self._work, sizes)

    def gains_from_autocast(self, form: Form) -> bool:
        """Return whether autocast is on and makes the products faster."""
        if not self._product or form.device != "cpu" or not torch.is_autocast_enabled("cpu"):
            return False
        return fewer_digits_pay(_times(self._product, form.sizes))


def choose(
    operation: Operation[*Arguments, Result], arguments: Sequence[Any]
) -> Callable[..., Result]:
    """Return the fastest way to compute an operation for these arguments, on this machine."""
    requested = requested_kernels()
    if requested == "reference" or torch.compiler.is_compiling():
        return operation.reference
    form = operation.form(arguments)
    if form is None or operation.gains_from_autocast(form):
        return operation.reference
    device, dtypes, sizes = form
    rows, work = sizes.get("B", 1), operation.work(sizes)
    for backend in operation.backends:
        pays = work >= backend.least_work and rows >= backend.least_rows * torch.get_num_threads()
        if (
            (backend.name == requested or (requested == "auto" and pays))
            and backend.device in {device, None}
            and (not backend.dtypes or (len(dtypes) == 1 and dtypes <= set(backend.dtypes)))
            and backend.available()
        ):
            return backend.compute
    return operation.reference


@contextmanager
def use_kernels(name: str) -> Iterator[None]:
    """Switch backends in a block, for debugging and for tests.

    Args:
        name: `reference`: every operation by its reference. `auto`: the fastest backend. Or the
            name of a backend, such as `numba`: it is taken whether it is faster or not, and
            operations that it cannot compute go to their reference.
    """
    token = _requested.set(name)
    try:
        yield
    finally:
        _requested.reset(token)


def requested_kernels() -> str:
    """Return the name that `use_kernels` or the environment gives.

    Raises:
        UsageError: the environment gives another than `auto` or `reference`.
    """
    return _requested.get() or _from_environment()


@cache
def _from_environment() -> str:
    value = os.environ.get(VARIABLE) or "auto"
    if value not in {"auto", "reference"}:
        raise UsageError(f"{VARIABLE} is {value!r}; it should be auto or reference")
    return value


def _parsed(shape: str) -> list[tuple[int, str]]:
    """Read "T B 3H" as factors and names."""
    parts = [re.fullmatch(r"(\d*)(\w|\*)", part) for part in shape.split()]
    return [(int(part[1] or 1), part[2]) for part in parts if part]


def _times(factors: list[tuple[int, str]], sizes: dict[str, Any]) -> int:
    rest = prod(sizes.get("*", ()))
    return prod(factor * (rest if name == "*" else sizes[name]) for factor, name in factors)


def _fits(shape: Sequence[int], pattern: list[tuple[int, str]], sizes: dict[str, Any]) -> bool:
    """Compare a shape with its pattern; sizes that are new are added to `sizes`."""
    names = [name for _, name in pattern]
    if "*" in names:
        before, after = names.index("*"), len(names) - names.index("*") - 1
        rest = tuple(shape[before : len(shape) - after])
        if len(shape) < before + after or sizes.setdefault("*", rest) != rest:
            return False
        shape = (*shape[:before], *shape[len(shape) - after :])
        pattern = [part for part in pattern if part[1] != "*"]
    return len(shape) == len(pattern) and all(
        size % factor == 0 and sizes.setdefault(name, size // factor) == size // factor
        for size, (factor, name) in zip(shape, pattern, strict=True)
    )


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among values and in tuples among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple):
            yield from _tensors(value)
