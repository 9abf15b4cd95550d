"""Building blocks of compiled loops, by Numba; importing it needs the extra `seqlab[fast]`.

Numbers are float32. A loop over indices compiles far faster than an assignment to a slice.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def"

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numba import njit

from seqlab.source_imports import imports_of

Array: TypeAlias = Any  # np.ndarray, contiguous, in float32 unless a comment says otherwise
FRONT_DOORS = {"seqlab", "seqlab.kernels"}  # they import everything, and contain no loop
FUSED_MULTIPLY_ADD = frozenset({"contract"})
IN_ANY_ORDER = FUSED_MULTIPLY_ADD | {"reassoc", "nsz"}

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
# tanh(x) = x P(x^2) / Q(x^2), error 3e-8: a least-squares fit, reweighted until its largest errors
# were equal. Beyond 9 tanh is 1 in float32.
FLAT = np.float32(9)
P0, P1, P2, P3, P4 = map(
    np.float32, (0.999999975, 0.133678808, 0.00347999466, 2.03533128e-05, 1.30020615e-08)
)
Q1, Q2, Q3, Q4 = map(np.float32, (0.467011926, 0.0258176105, 0.000326016792, 7.63184874e-07))
# e^x = 2^whole 2^fraction, the latter by its series; below e^-87 numbers have fewer digits.
LOWEST, OCTAVES = np.float32(-87), np.float32(1 / np.log(2))
A0, A1, A2, A3, A4, A5, A6 = map(np.float32, np.log(2) ** np.arange(7) / [1, 1, 2, 6, 24, 120, 720])
BIAS, DIGITS = np.int32(127), np.int32(23)  # of a float32: bias of its exponent, bits behind it
SIGN, MAGNITUDE, LEAST = np.int32(31), np.int32(2**31 - 1), np.int32(-(2**31))


def by_numba(
    loop: Callable[..., Any], fastmath: frozenset[str] = FUSED_MULTIPLY_ADD
) -> Callable[..., Any]:
    """Compile a loop at its first call.

    The code is cached beside the loop's file, or in the user's cache, until that file changes or
    one that it imports, at any depth.

    Args:
        loop: a function that Numba can compile; it releases the GIL, and checks no bounds.
        fastmath: LLVM's flags for floating-point numbers.
    """
    options: Any = {"nogil": True, "fastmath": set(fastmath), "error_model": "numpy"}
    # Numba looks at the loop's own file and name, not at the files of functions that it calls.
    loop.__qualname__ += f"_{_made_of(loop.__module__)}"
    try:
        compiled: Callable[..., Any] = njit(cache=True, **options)(loop)
    except RuntimeError:  # neither place can be written
        compiled = njit(**options)(loop)
    return compiled


@cache
def _made_of(module: str) -> str:
    """Return a hash of the file of a loop, of this one, and of what they import that may be loops.

    That is what lies in the loop's own package, or has such loops in it.
    """
    waiting, seen = [module, __name__], dict[str, bytes]()
    while waiting:
        name = waiting.pop()
        source = b"" if name in seen else _source(name)
        if source and (_top(name) == _top(module) or by_numba.__name__.encode() in source):
            seen[name] = source
            waiting += imports_of(source, name).names
    return sha256(b"".join(seen[name] for name in sorted(seen))).hexdigest()[:8]


def _top(name: str) -> str:
    return name.partition(".")[0]


def _source(name: str) -> bytes:
    """The source of a loaded module; of the front doors, which contain no loop, nothing."""
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return Path(file).read_bytes() if file.endswith(".py") and name not in FRONT_DOORS else b""


@by_numba
def tanh(x):
    """Error 4e-7; NaN stays NaN."""
    x = FLAT if x > FLAT else x
    x = -FLAT if x < -FLAT else x
    u = x * x
    above = x * (P0 + u * (P1 + u * (P2 + u * (P3 + u * P4))))
    return above / (ONE + u * (Q1 + u * (Q2 + u * (Q3 + u * Q4))))


@by_numba
def sigmoid(x):
    """Error 2e-7."""
    return HALF * tanh(HALF * x) + HALF


@by_numba
def exp(x):
    """Error 2e-7, for x up to 0; 0 below e^-87; NaN stays NaN."""
    octaves = (LOWEST if x < LOWEST else x) * OCTAVES
    whole = np.int32(octaves - HALF)
    f = octaves - np.float32(whole)
    power = np.int32((whole + BIAS) << DIGITS).view(np.float32)
    result = power * (A0 + f * (A1 + f * (A2 + f * (A3 + f * (A4 + f * (A5 + f * A6))))))
    return ZERO if x < LOWEST else result


@by_numba
def _ordered(bits):
    """Map the bits of a float32 to an integer of the same order, and back."""
    return np.int32(bits ^ ((bits >> SIGN) & MAGNITUDE))


@by_numba
def largest(values):
    """Return the largest value. LLVM compares floats one at a time, but several integers."""
    bits, largest = values.view(np.int32), LEAST
    for j in range(len(bits)):
        value = _ordered(bits[j])
        largest = value if value > largest else largest
    return np.int32(_ordered(largest)).view(np.float32)
