"""On what was measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

import seqlab
from seqlab.kernels import has_numba_and_blas


def describe(device: str = "cpu") -> str:
    """One line: GPU where it is measured, processor, cores, instruction set, versions."""
    gpu = "" if device == "cpu" else f"{torch.cuda.get_device_name(device)}; "
    return gpu + (
        f"{_processor()}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()},"
        f" {torch.get_num_threads()} threads; Python {platform.python_version()},"
        f" torch {torch.__version__}, {_numba()}, seqlab {seqlab.__version__}"
    )


def process_memory(field: str) -> float:
    """A field of this process's status on Linux in MB: VmRSS, now, or VmHWM, the most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def _numba() -> str:
    """The extra that compiles recurrences on a CPU, unless NUMBA_DISABLE_JIT=1 has it not."""
    return f"Numba {version('numba')}" if has_numba_and_blas() else "no Numba"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
