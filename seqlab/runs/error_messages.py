"""Turn errors of the disk, the memory and the compiler into one clear message each."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from seqlab.errors import Override, RunFailed
from seqlab.memory import (
    available_bytes,
    format_bytes,
    is_out_of_memory,
    largest,
    requested_size,
    what_to_lower,
)
from seqlab.registry import Resolved
from seqlab.registry.attribution import raised_in_plugin

NO_COMPILER = Override("train.compile=false")
_COMPILERS = ("torch._dynamo", "torch._inductor", "torch._functorch", "torch.fx", "triton")


@contextmanager
def compiler_errors(resolved: Resolved) -> Iterator[None]:
    """Turn an error of torch's compiler into a RunFailed that says how to run without it."""
    try:
        yield
    except Exception as error:
        if not resolved.train.compile or not type(error).__module__.startswith(_COMPILERS):
            raise
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        message = f"torch cannot compile this model ({first[:200]}); it runs with {NO_COMPILER}"
        complaint = resolved.complaint(message, "train", "compile")
        raise RunFailed(str(complaint), resume_with=[NO_COMPILER]) from error


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError into a RunFailed, unless it is a plugin's and not of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) and raised_in_plugin(error):
            raise
        file = error.filename or folder
        raise RunFailed(f"{file}: cannot be written ({error.strerror or error})") from error


@contextmanager
def memory_errors(resolved: Resolved, sizes: Mapping[str, Any], task: str) -> Iterator[None]:
    """Turn an error of memory into a RunFailed that names the largest of `sizes`, by their keys."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise _too_large(resolved, sizes, task, requested_size(error)) from error


def check_memory(resolved: Resolved, outline: nn.Module, vocabulary: int) -> None:
    """Raise RunFailed unless the weights and gradients fit into memory."""
    needed = 2 * sum(p.numel() * p.element_size() for p in outline.parameters())
    available = available_bytes()
    if available is not None and needed > available:
        sizes = format_bytes(needed), format_bytes(available)
        size = "{} for its weights and gradients; there are {}".format(*sizes)
        raise _too_large(resolved, model_sizes(resolved, vocabulary), "the model", size)


def _too_large(resolved: Resolved, sizes: Mapping[str, Any], task: str, size: str) -> RunFailed:
    message = f"{task} needs more memory than there is" + (f" ({size})" if size else "")
    key = largest(sizes)
    message += what_to_lower(sizes)
    if key is None:
        return RunFailed(message)
    message = f"{sizes[key]:,} is too large: {message}"
    return RunFailed(str(resolved.complaint(message, *key.split("."))))


def model_sizes(resolved: Resolved, vocabulary: int) -> dict[str, Any]:
    """Return the numbers that the size of the model depends on, by their keys."""
    model = {f"model.{key}": getattr(resolved.model, key) for key in ("embedding", "layers")}
    parts = {
        f"model.{kind}.{key}": value
        for kind in ("embedding", "head")
        if kind not in model or model[f"model.{kind}"] is getattr(resolved, kind)
        for key, value in getattr(resolved, kind).options.items()
    }
    return {"tokenizer": vocabulary, **_options(resolved, "cell"), **model, **parts}


def training_sizes(resolved: Resolved, vocabulary: int) -> dict[str, Any]:
    """Return the numbers that the memory of a run depends on, by their keys."""
    sections = {
        f"{section}.{key}": value
        for section in ("evaluation", "samples")
        if (settings := getattr(resolved, section)) is not None
        for key, value in vars(settings).items()
        if key in ("rows", "window", "length")
    }
    return {**model_sizes(resolved, vocabulary), **_options(resolved, "sampler"), **sections}


def _options(resolved: Resolved, kind: str) -> dict[str, Any]:
    return {f"{kind}.{key}": value for key, value in getattr(resolved, kind).options.items()}
