"""Loops on all cores, in torch's own threads, and whether there is a compiler for them.

torch's threads look for more work for some milliseconds after each operation, so that threads of
another pool would have to wait for them. Inside of one, MKL takes that one alone.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

ROWS = 2  # fewer are not worth a core
_Body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def on_all_cores(loop: Callable[..., None], rows: int, *tensors: Tensor) -> None:
    """Call a loop with the tensors as arrays and the first and last of some rows, for all rows.

    Args:
        loop: is given arrays, then where its rows begin and end; lets go of the GIL.
        rows: how many there are.
        tensors: contiguous, on the CPU; a copy of one would be written instead of it.

    Raises:
        ValueError: one of the tensors is not contiguous.
        Exception: the first that a loop raised.
    """
    if not all(tensor.is_contiguous() for tensor in tensors):
        raise ValueError(f"of {len(tensors)} tensors not all are contiguous")
    arrays = [tensor.detach().numpy() for tensor in tensors]
    threads = torch.get_num_threads()
    parts = min(threads, rows // ROWS) if _openmp() else 1
    if parts < 2:
        loop(*arrays, 0, rows)
        return
    bounds = [rows * part // parts for part in range(parts + 1)]
    problems = _in_parallel(lambda part: loop(*arrays, *bounds[part : part + 2]), parts, threads)
    if problems:
        raise problems[0]


def _in_parallel(work: Callable[[int], None], parts: int, threads: int) -> list[BaseException]:
    """Do the parts by OpenMP; with fewer threads than torch asks for it would end the others."""
    library, problems = _openmp(), list[BaseException]()

    def body(_: Any) -> None:
        try:
            for part in range(library.omp_get_thread_num(), parts, library.omp_get_num_threads()):
                work(part)
        except BaseException as problem:
            problems.append(problem)

    library.GOMP_parallel(_Body(body), None, threads, 0)
    return problems


@cache
def why_not_compiled() -> str:
    """Say in a few words why loops are not compiled here, and what helps; empty: they are."""
    try:
        import numba

        import_module("seqlab.loops")
    except (ImportError, OSError) as error:  # it may not know this numpy, or LLVM does not load
        if getattr(error, "name", None) == "numba":
            return "there is no Numba; pip install 'seqlab[fast]'"
        return f"Numba cannot be used ({error})"
    if getattr(numba.config, "DISABLE_JIT", False):
        return "NUMBA_DISABLE_JIT is set"
    return "" if _openmp() is not None else "this torch has no threads of GNU's OpenMP"


@cache
def _openmp() -> Any:
    """Return the library whose threads torch uses, or None."""
    if not torch.backends.openmp.is_available():  # type: ignore[no-untyped-call] # torch's own
        return None
    try:
        library = ctypes.CDLL(None)  # whatever this process has loaded for all
        library.GOMP_parallel.argtypes = (_Body, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        library.GOMP_parallel.restype = None
        _ = library.omp_get_thread_num, library.omp_get_num_threads
    except (AttributeError, OSError, TypeError):  # TypeError: Windows knows no such library
        return None
    return library
