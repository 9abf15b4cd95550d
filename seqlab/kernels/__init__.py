"""The one door to everything fast: operations, each a plain reference and its backends.

A cell calls an operation; which backend computes it is decided by `choose`, from device, dtype and
shapes. `SEQLAB_KERNELS=reference`, or `use_kernels("reference")` in Python, switches all of them
off. Loops for Numba are made of what is in `seqlab.kernels.loops` and `seqlab.kernels.blas`.
"""

from seqlab.kernels import tuning
from seqlab.kernels.allocator import keep_freed_memory
from seqlab.kernels.hardware import processor, product_dtype
from seqlab.kernels.launching import (
    condition,
    has_numba_and_blas,
    on_all_cores,
    sgemm,
    why_not_compiled,
)
from seqlab.kernels.linear_loss import chunks, linear_loss, product_in_lines
from seqlab.kernels.lookup import LookupStep, greedy_by_steps, one_hot_linear
from seqlab.kernels.operation import Backend, Operation, choose, requested_kernels, use_kernels
from seqlab.kernels.scan import linear_scan, scan
from seqlab.kernels.softmax_errors import softmax_errors

__all__ = [
    "Backend",
    "LookupStep",
    "Operation",
    "choose",
    "chunks",
    "condition",
    "greedy_by_steps",
    "has_numba_and_blas",
    "keep_freed_memory",
    "linear_loss",
    "linear_scan",
    "on_all_cores",
    "one_hot_linear",
    "processor",
    "product_dtype",
    "product_in_lines",
    "requested_kernels",
    "scan",
    "sgemm",
    "softmax_errors",
    "tuning",
    "use_kernels",
    "why_not_compiled",
]
