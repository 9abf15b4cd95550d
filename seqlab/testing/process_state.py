"""Global state of the process, which the import of a plugin must not change."""

from __future__ import annotations

import hashlib
import locale
import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch


def global_state() -> dict[str, Any]:
    """Everything global that a plugin might change, by its name in a message."""
    return {name: read() for name, read in {**_GENERATORS, **_SETTINGS}.items()}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """One clause for each thing that changed."""
    return [f"it changed {name}" for name, value in before.items() if after[name] != value]


def random_states() -> dict[str, str]:
    """A hash of the state of each global generator."""
    return {name: _hash(read()) for name, read in _GENERATORS.items()}


def settings_of_others() -> dict[str, Any]:
    """Global settings that computations or other code of a run depend on."""
    return {name: _SETTINGS[name]() for name in _OF_OTHERS}


@contextmanager
def settings_restored() -> Iterator[None]:
    """Undo what the block changes in `settings_of_others`."""
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    precision, deterministic = (
        torch.get_float32_matmul_precision(),
        torch.get_deterministic_debug_mode(),
    )
    excepthook, limit, folder = sys.excepthook, sys.getrecursionlimit(), Path.cwd()
    with (
        np.errstate(**np.geterr()),
        warnings.catch_warnings(),
        torch.set_grad_enabled(torch.is_grad_enabled()),
        torch.autograd.set_detect_anomaly(torch.is_anomaly_enabled()),
    ):
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            torch.set_num_threads(threads)
            torch.set_float32_matmul_precision(precision)
            torch.set_deterministic_debug_mode(deterministic)
            sys.excepthook = excepthook
            sys.setrecursionlimit(limit)
            os.chdir(folder)


def _hash(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def _numpy_state() -> list[Any]:
    name, keys, *rest = np.random.get_state()
    return [name, _hash(np.asarray(keys).tolist()), *rest]


_GENERATORS: dict[str, Callable[[], Any]] = {
    "Python's random state": random.getstate,
    "numpy's random state": _numpy_state,
    "torch's random state": lambda: torch.get_rng_state().numpy().tobytes(),
}
_SETTINGS: dict[str, Callable[[], Any]] = {
    "torch's default dtype": torch.get_default_dtype,
    "torch's default device": lambda: torch.get_default_device(),
    "torch's number of threads": torch.get_num_threads,
    "whether torch records gradients": torch.is_grad_enabled,
    "torch's deterministic mode": torch.are_deterministic_algorithms_enabled,
    "torch's precision of matrix products": torch.get_float32_matmul_precision,
    "torch's anomaly detection": torch.is_anomaly_enabled,
    "numpy's error handling": np.geterr,
    "the filters of warnings": lambda: list(warnings.filters),
    "the level of the root logger": lambda: logging.getLogger().level,
    "the handlers of the root logger": lambda: list(logging.getLogger().handlers),
    "the working folder": os.getcwd,
    "environment variables": lambda: dict(os.environ),
    "the locale": lambda: locale.setlocale(locale.LC_ALL),
    "the handler of Ctrl-C": lambda: signal.getsignal(signal.SIGINT),
    "the recursion limit": sys.getrecursionlimit,
    "sys.path": lambda: list(sys.path),
    "sys.excepthook": lambda: sys.excepthook,
}
_OF_OTHERS = (
    "torch's default dtype",
    "torch's default device",
    "torch's number of threads",
    "whether torch records gradients",
    "torch's deterministic mode",
    "torch's precision of matrix products",
    "torch's anomaly detection",
    "numpy's error handling",
    "the filters of warnings",
    "the handler of Ctrl-C",
    "the recursion limit",
    "sys.excepthook",
)
