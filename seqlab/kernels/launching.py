"""Run compiled loops on all cores, in torch's own threads; say whether they can be compiled.

Why torch's threads: they spin for some milliseconds after each operation, and a second pool would
have to wait for them. Inside one of them MKL uses that thread alone.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqlab.arrays import TYPES, array_of
from seqlab.kernels import tuning


def on_all_cores(loop: Callable[..., None], rows: int, *arguments: Tensor | int) -> None:
    """Call a compiled loop for all rows, some of them on each core.

    Args:
        loop: by `seqlab.kernels.loops.by_numba`; it takes the arguments, then the first row and the
            one behind the last. An exception in it is printed and lost.
        rows: the number of rows.
        arguments: integers; contiguous tensors on the CPU, which the loop has as arrays.

    Raises:
        ValueError: a tensor is not contiguous: the loop would write to a copy.
        TypeError: an argument is neither an integer nor a tensor on the CPU, of float32, float64 or
            int64, with at least one dimension.
    """
    for index, argument in enumerate(arguments):
        if type(argument) is not int:
            _check(argument, index)
    openmp, threads = _openmp(), torch.get_num_threads()
    parts = min(threads, rows // tuning.ROWS_A_CORE)
    if parts < 2 or openmp is None:
        loop(*(array_of(a) if isinstance(a, Tensor) else a for a in arguments), 0, rows)
        return
    from seqlab.kernels.thread_bodies import body_of

    kinds = tuple((a.dtype, a.dim()) if isinstance(a, Tensor) else None for a in arguments)
    body = body_of(loop, kinds)
    words = [openmp.thread_number, openmp.thread_count, parts, rows]
    for each in arguments:
        words += (each.data_ptr(), *each.shape) if isinstance(each, Tensor) else (each,)
    # As many threads as torch asks for: OpenMP would end those that are left over.
    openmp.library.GOMP_parallel(body.address, (ctypes.c_int64 * len(words))(*words), threads, 0)


def _check(value: object, index: int) -> None:
    """Refuse what a compiled loop would misread, since it gets addresses."""
    argument = f"argument {index} of a loop should be"
    if not isinstance(value, Tensor):
        raise TypeError(f"{argument} a tensor or an int; it is {value!r}")
    if not value.is_cpu or value.dtype not in TYPES or not value.dim():
        raise TypeError(
            f"{argument} on the CPU, of float32, float64 or int64, with at least one dimension;"
            f" it is {value.dtype}, {tuple(value.shape)}, on {value.device}"
        )
    if not value.is_contiguous():
        raise ValueError(f"{argument} contiguous; it is not")


@cache
def why_not_compiled() -> str:
    """Return why loops cannot be compiled here, and what helps; an empty text: they can."""
    try:
        import numba

        import_module("seqlab.kernels.loops")
    except (ImportError, OSError) as error:  # it may not know this numpy, or LLVM does not load
        if getattr(error, "name", None) == "numba":
            return "there is no Numba; pip install 'seqlab[fast]'"
        return f"Numba cannot be used ({error})"
    if getattr(numba.config, "DISABLE_JIT", False):
        return "NUMBA_DISABLE_JIT is set"
    return "" if _openmp() is not None else "this torch has no threads of GNU's OpenMP"


class _OpenMP(NamedTuple):
    """The library of torch's threads, and the addresses of two of its functions."""

    library: Any
    thread_number: int
    thread_count: int


@cache
def _openmp() -> _OpenMP | None:
    if not torch.backends.openmp.is_available():  # type: ignore[no-untyped-call] # torch's own
        return None
    try:
        library = ctypes.CDLL(None)  # what this process has loaded
        pointer, unsigned = ctypes.c_void_p, ctypes.c_uint
        library.GOMP_parallel.argtypes = (pointer, pointer, unsigned, unsigned)
        library.GOMP_parallel.restype = None
        number, count = library.omp_get_thread_num, library.omp_get_num_threads
    except (AttributeError, OSError, TypeError):  # TypeError: Windows knows no such library
        return None
    return _OpenMP(library, _address(number), _address(count))


@cache
def sgemm() -> int:
    """Return the address of MKL's product in float32; 0: this torch has no MKL inside."""
    if not torch._C.has_mkl:  # another BLAS may have integers of another size
        return 0
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        return _address(library.sgemm_)
    except (AttributeError, OSError):
        return 0


def has_numba_and_blas() -> bool:
    """Return whether loops with products in them can be compiled."""
    return not why_not_compiled() and sgemm() != 0


def condition() -> str:
    """Return a sentence: whether loops are compiled on a CPU; if not, why, and what helps."""
    reason = why_not_compiled() or ("" if sgemm() else "this torch has no MKL inside")
    return f"no loop is compiled: {reason}" if reason else "loops are compiled on a CPU"


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0
