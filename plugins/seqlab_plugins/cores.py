"""Whether recurrences are compiled, and the product that their loops take from torch's library."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch

from seqlab import why_not_compiled


@cache
def compiled() -> ModuleType | None:
    """Return `seqlab_plugins.compiled`; None where it lacks Numba, a BLAS or threads."""
    return None if _lacking() else import_module("seqlab_plugins.compiled")


def condition() -> str:
    """In a sentence whether loops are compiled on a CPU; if not, why not and what helps."""
    lacking = _lacking()
    return f"no loop is compiled: {lacking}" if lacking else "loops are compiled on a CPU"


def _lacking() -> str:
    return why_not_compiled() or ("" if sgemm() is not None else "this torch has no MKL inside")


@cache
def sgemm() -> int | None:
    """Return the address of MKL's product in float32, or None where torch has not that inside."""
    if not torch._C.has_mkl:  # of another BLAS nobody knows how wide its integers are
        return None
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        return ctypes.cast(library.sgemm_, ctypes.c_void_p).value
    except (AttributeError, OSError):
        return None
