"""How the C library treats freed memory."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

from seqlab.kernels import tuning

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as <malloc.h> numbers them


@cache
def keep_freed_memory() -> None:
    """Have glibc keep freed memory, since the next step asks for as much.

    By default it returns blocks of some MiB to the system, and the next step pays for each page
    again: a quarter of the time of a recurrence's backward pass. The setting holds for the whole
    process and changes no number. With another C library nothing is done.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(M_MMAP_THRESHOLD, tuning.MAPPED_BYTES)
    library.mallopt(M_TRIM_THRESHOLD, tuning.KEPT_BYTES)
