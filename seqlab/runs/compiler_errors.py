"""What torch says of a model that it cannot compile, in one clear message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seqlab.errors import RunFailed
from seqlab.registry import Resolved

OFF = "--set train.compile=false"
_COMPILERS = ("torch._dynamo", "torch._inductor", "torch._functorch", "torch.fx", "triton")


@contextmanager
def compiler_errors(resolved: Resolved) -> Iterator[None]:
    """Turn a failure of the compiler, or of what it calls, into how to do without it.

    Raises:
        RunFailed: in its place.
    """
    try:
        yield
    except Exception as error:
        if not resolved.train.compile or not type(error).__module__.startswith(_COMPILERS):
            raise
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        said = f"torch cannot compile this model here ({first[:200]}); it runs with {OFF}"
        complaint = resolved.complaint(said, "train", "compile")
        raise RunFailed(str(complaint), resume_with=OFF) from error
