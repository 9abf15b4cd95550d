"""The names of `seqlab.kernels.loops` as API 1 has them."""
# ruff: noqa: F401

import warnings

from seqlab.kernels.loops import FUSED_MULTIPLY_ADD as ADD_BEFORE_ROUNDING
from seqlab.kernels.loops import (
    HALF,
    IN_ANY_ORDER,
    ONE,
    Array,
    by_numba,
    exp,
    largest,
    sigmoid,
    tanh,
)
from seqlab.kernels.loops import ZERO as NOTHING

warnings.warn("seqlab.loops is now seqlab.kernels.loops", category=DeprecationWarning, stacklevel=2)
