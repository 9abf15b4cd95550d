"""Loops on all cores, in torch's own threads, and whether there is a compiler for them.

torch's threads look for more work for some milliseconds after each operation, so that threads of
another pool would have to wait for them. Inside of one, MKL takes that one alone.
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

from seqlab.kernels import tuning

DTYPES = (torch.float32, torch.float64, torch.int64)


def on_all_cores(loop: Callable[..., None], rows: int, *given: Tensor | int) -> None:
    """Call a compiled loop for all rows, some of them on each core.

    Args:
        loop: by `seqlab.kernels.loops.by_numba`; it takes what is given, then the first of its
            rows and the one behind its last. What it raises is printed and lost.
        rows: how many there are.
        given: whole numbers, and tensors, contiguous and on the CPU, which it has as arrays.

    Raises:
        ValueError: one of the tensors is not contiguous: a copy would be written instead of it.
        TypeError: something is neither a whole number nor a tensor in the CPU's memory, of float32,
            float64 or int64, with dimensions.
    """
    for place, part in enumerate(given):
        if type(part) is not int:
            _check(part, place)
    openmp, threads = _openmp(), torch.get_num_threads()
    parts = min(threads, rows // tuning.ROWS_A_CORE)
    if parts < 2 or openmp is None:
        loop(*(_array(part) if isinstance(part, Tensor) else part for part in given), 0, rows)
        return
    from seqlab.kernels.thread_bodies import body_of

    kinds = tuple((p.dtype, p.dim()) if isinstance(p, Tensor) else None for p in given)
    body = body_of(loop, kinds)
    words = [*openmp.which_of_how_many, parts, rows]
    for part in given:
        words += (part.data_ptr(), *part.shape) if isinstance(part, Tensor) else (part,)
    # OpenMP is asked for as many threads as torch asks it for: it would end those left over.
    openmp.library.GOMP_parallel(body.address, (ctypes.c_int64 * len(words))(*words), threads, 0)


def _check(part: object, place: int) -> None:
    """Refuse what a compiled loop would misread: it is given addresses."""
    if not isinstance(part, Tensor):
        raise TypeError(f"argument {place} of a loop should be a tensor or an int; it is {part!r}")
    if not part.is_cpu or part.dtype not in DTYPES or not part.dim():
        raise TypeError(
            f"argument {place} of a loop should be in the CPU's memory, of float32, float64 or"
            f" int64, with dimensions; it is {part.dtype}, {tuple(part.shape)}, on {part.device}"
        )
    if not part.is_contiguous():
        raise ValueError(f"argument {place} of a loop should be contiguous; it is not")


def _array(tensor: Tensor) -> Any:
    return tensor.detach().numpy()


@cache
def why_not_compiled() -> str:
    """Say in a few words why loops are not compiled here, and what helps; empty: they are."""
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
    """The library whose threads torch uses, and where it says which one is, and of how many."""

    library: Any
    which_of_how_many: tuple[int, int]


@cache
def _openmp() -> _OpenMP | None:
    if not torch.backends.openmp.is_available():  # type: ignore[no-untyped-call] # torch's own
        return None
    try:
        library = ctypes.CDLL(None)  # whatever this process has loaded for all
        number = ctypes.c_uint
        library.GOMP_parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, number, number)
        library.GOMP_parallel.restype = None
        which, of_how_many = library.omp_get_thread_num, library.omp_get_num_threads
    except (AttributeError, OSError, TypeError):  # TypeError: Windows knows no such library
        return None
    return _OpenMP(library, (_address(which), _address(of_how_many)))


@cache
def sgemm() -> int:
    """Return the address of MKL's product in float32, or 0 where torch has not that inside."""
    if not torch._C.has_mkl:  # of another BLAS nobody knows how wide its integers are
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
    """In a sentence whether loops are compiled on a CPU; if not, why not and what helps."""
    lacking = why_not_compiled() or ("" if sgemm() else "this torch has no MKL inside")
    return f"no loop is compiled: {lacking}" if lacking else "loops are compiled on a CPU"


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0
