"""Compiling a loop when it is first called, and keeping its code for other processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from numba import njit

Array: TypeAlias = Any  # np.ndarray, contiguous, in float32 unless it says otherwise
ADD_BEFORE_ROUNDING = frozenset({"contract"})
IN_ANY_ORDER = ADD_BEFORE_ROUNDING | {"reassoc", "nsz"}


def by_numba(
    loop: Callable[..., Any], liberties: frozenset[str] = ADD_BEFORE_ROUNDING
) -> Callable[..., Any]:
    """Compile a loop when it is first called.

    The code is kept beside the loop's file or in the user's cache, where either can be written.

    Args:
        loop: what Numba can compile; it lets go of the GIL, and checks no bounds.
        liberties: what may be done to its numbers, in LLVM's words.
    """
    options: Any = {"nogil": True, "fastmath": set(liberties), "error_model": "numpy"}
    # Numba sees when the loop's own file changes, not those of what it calls; the name it sees too.
    loop.__qualname__ += f"_{_made_of()}"
    try:
        found: Callable[..., Any] = njit(cache=True, **options)(loop)
    except RuntimeError:  # neither can be
        found = njit(**options)(loop)
    return found


@cache
def _made_of() -> str:
    """Return a hash of all files with loops."""
    files = sorted(Path(__file__).parent.glob("*loop*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
