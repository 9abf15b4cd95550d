"""More memory is asked for than there is: the key that says how much, and what it would need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from seqlab.errors import RunFailed
from seqlab.memory import available_bytes, format_bytes, is_out_of_memory, largest, requested_size
from seqlab.registry import Resolved


def model_sizes(resolved: Resolved, vocabulary: int) -> dict[str, Any]:
    """The numbers that a model's size follows from, by their keys."""
    model = {f"model.{key}": getattr(resolved.model, key) for key in ("embedding", "layers")}
    return {"tokenizer": vocabulary, **_options(resolved, "cell"), **model}


def training_sizes(resolved: Resolved, vocabulary: int) -> dict[str, Any]:
    """The numbers that the memory of steps, evaluations and samples follows from."""
    rest = {
        f"{section}.{key}": value
        for section in ("evaluation", "samples")
        if (settings := getattr(resolved, section)) is not None
        for key, value in vars(settings).items()
        if key in ("rows", "window", "length")
    }
    return {**model_sizes(resolved, vocabulary), **_options(resolved, "sampler"), **rest}


def _options(resolved: Resolved, kind: str) -> dict[str, Any]:
    return {f"{kind}.{key}": value for key, value in getattr(resolved, kind).options.items()}


def expect_room(resolved: Resolved, outline: nn.Module, vocabulary: int) -> None:
    """See to it that weights and gradients fit, before the system runs out of memory.

    Raises:
        RunFailed: they have none.
    """
    need = 2 * sum(p.numel() * p.element_size() for p in outline.parameters())
    there = available_bytes()
    if there is not None and need > there:
        size = (
            f"{format_bytes(need)} for its weights and gradients; there are {format_bytes(there)}"
        )
        raise _too_large(resolved, model_sizes(resolved, vocabulary), "the model", size)


@contextmanager
def name_what_is_too_large(
    resolved: Resolved, sizes: Mapping[str, Any], what: str
) -> Iterator[None]:
    """Say in one line what there was no room for.

    Args:
        resolved: the experiment.
        sizes: numbers that it follows from, by their keys; the largest is named.
        what: what is being built or done.

    Raises:
        RunFailed: in place of any error of memory that could not be had.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise _too_large(resolved, sizes, what, requested_size(error)) from error


def _too_large(resolved: Resolved, sizes: Mapping[str, Any], what: str, size: str) -> RunFailed:
    needs = f"{what} needs more memory than there is" + (f" ({size})" if size else "")
    key = largest(sizes)
    if key is None:
        return RunFailed(needs)
    said = f"{sizes[key]:,} is too large: {needs}"
    return RunFailed(str(resolved.complaint(said, *key.split("."))))
