"""What the C library does with memory that a step has freed."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

from seqlab.kernels import tuning

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as <malloc.h> numbers them


@cache
def keep_freed_memory() -> None:
    """Have glibc keep what is freed, where a step would ask for the same memory again.

    By itself it gives blocks of some MiB back to the system, and the next step pays for each of
    their pages once more: a quarter of the time of a recurrence's backward pass. For the whole
    process; it changes no number. Elsewhere than on glibc nothing is done.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(M_MMAP_THRESHOLD, tuning.MAPPED_BYTES)
    library.mallopt(M_TRIM_THRESHOLD, tuning.KEPT_BYTES)
