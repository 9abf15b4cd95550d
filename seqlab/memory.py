"""Memory: how much there is, and whether an error says that it ran out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_MESSAGES = re.compile(
    r"can't allocate memory|not enough memory|out of memory|Storage size calculation overflowed"
    r"|integer multiplication overflow|Overflow when unpacking|Unable to allocate"
    r"|Maximum allowed (dimension|size) exceeded|array is too big|ALLOC_FAILED"
    r"|too large to convert|too big to convert|index-sized integer"
)
_REQUESTED = re.compile(r"(?:tried|Tried|Unable) to allocate ([\d.]+) ?([KMGTPE]i?B|bytes)")
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_NAMED = 5  # sizes in a message
_NAMES = {"tokenizer": "the vocabulary"}
_LARGE = 1000  # no smaller number fills a memory


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or its cause, says that memory ran out."""
    return any(map(_says_out_of_memory, _causes(error)))


def requested_size(error: BaseException) -> str:
    """The size of the allocation that failed, with its unit; empty if no message has it."""
    for cause in _causes(error):
        if match := _REQUESTED.search(str(cause)):
            size, unit = match.groups()
            return format_bytes(int(size)) if unit == "bytes" else f"{size} {unit}"
    return ""


def format_bytes(size: int) -> str:
    """A number of bytes with a unit that suits it: `4 TB`."""
    value, units = float(size), iter(("bytes", "kB", "MB", "GB", "TB", "PB"))
    unit = next(units)
    for larger in units:
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:,.0f} {unit}"


def available_bytes() -> int | None:
    """How much memory this process can have at most, swap included; None: unknown."""
    return min((*_machine_sizes(), *_process_limits()), default=None)


def largest(options: Mapping[str, Any]) -> str | None:
    """The key of the largest whole number; None if no number is large."""
    numbers = {k: v for k, v in options.items() if type(v) is int and v >= _LARGE}
    return max(numbers, key=numbers.__getitem__, default=None)


def what_to_lower(sizes: Mapping[str, Any]) -> str:
    """The end of a sentence: the largest sizes, by their keys; empty: no number is large enough."""
    known = {key: value for key, value in sizes.items() if type(value) is int and value > 1}
    largest_first = sorted(known, key=known.__getitem__, reverse=True)[:_NAMED]
    lower = [f"{_NAMES.get(key, key)} ({known[key]:,})" for key in largest_first]
    if not lower:
        return ""
    beginning = ", ".join(lower[:-1])
    helps = f"; lower {beginning} or {lower[-1]}" if beginning else f"; lower {lower[0]}"
    if "sampler.batch_size" in largest_first:
        helps += " (half of sampler.batch_size with twice the train.accumulate trains the same)"
    return helps


def _says_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    kinds = (RuntimeError, OverflowError, TypeError, ValueError)
    return isinstance(error, kinds) and _MESSAGES.search(str(error)) is not None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _machine_sizes() -> Iterator[int]:
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        kibibytes = dict(line.split(":", 1) for line in lines)
        yield 1024 * sum(int(kibibytes.get(k, "0").split()[0]) for k in ("MemTotal", "SwapTotal"))
        return
    with suppress(AttributeError, OSError, ValueError):
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _process_limits() -> Iterator[int]:
    """The limits of a container and of `ulimit -v`."""
    for file in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            yield int(Path(file).read_text("ascii"))
    with suppress(ImportError, OSError, ValueError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            yield limit
