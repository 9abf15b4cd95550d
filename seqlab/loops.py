"""The names of `seqlab.kernels.loops` in API 1."""
# ruff: noqa: F401

import warnings
from collections.abc import Callable
from typing import Any

from seqlab.kernels import loops
from seqlab.kernels.loops import FUSED_MULTIPLY_ADD as ADD_BEFORE_ROUNDING
from seqlab.kernels.loops import HALF, IN_ANY_ORDER, ONE, Array, exp, largest, sigmoid, tanh
from seqlab.kernels.loops import ZERO as NOTHING


def by_numba(
    loop: Callable[..., Any], liberties: frozenset[str] = ADD_BEFORE_ROUNDING
) -> Callable[..., Any]:
    return loops.by_numba(loop, liberties)


warnings.warn("seqlab.loops is now seqlab.kernels.loops", category=DeprecationWarning, stacklevel=2)
