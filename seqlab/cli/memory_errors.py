"""What to lower where a command has not enough memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seqlab.errors import RunFailed


@contextmanager
def memory_errors(task: str, *remedies: str) -> Iterator[None]:
    """Turn an error of memory into a RunFailed that says what helps."""
    try:
        yield
    except Exception as error:
        from seqlab.memory import is_out_of_memory, requested_size

        if isinstance(error, RunFailed) or not is_out_of_memory(error):
            raise
        size = requested_size(error)
        requested = f" ({size} were requested)" if size else ""
        message = f"{task} needs more memory than there is{requested}; {' or '.join(remedies)}"
        raise RunFailed(message) from error
