"""Memory: how much there is, and whether an error says that it does not suffice."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_SAID = re.compile(
    r"can't allocate memory|not enough memory|out of memory|Storage size calculation overflowed"
    r"|integer multiplication overflow|Overflow when unpacking|Unable to allocate"
    r"|Maximum allowed (dimension|size) exceeded|array is too big|ALLOC_FAILED"
    r"|too large to convert|too big to convert|index-sized integer"
)
_WANTED = re.compile(r"(?:tried|Tried|Unable) to allocate ([\d.]+) ?([KMGTPE]i?B|bytes)")
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_LARGE = 1000  # a number of less than this is not what fills a memory


def no_room(error: BaseException) -> bool:
    """Whether an error, or what it came from, is that of memory that could not be had."""
    return any(_is_of_memory(one) for one in _chain(error))


def wanted(error: BaseException) -> str:
    """How much was asked for when it failed, in words; empty: that was not said."""
    for one in _chain(error):
        if found := _WANTED.search(str(one)):
            size, unit = found.groups()
            return in_words(int(size)) if unit == "bytes" else f"{size} {unit}"
    return ""


def in_words(size: int) -> str:
    """A number of bytes as people say it."""
    value, units = float(size), iter(("bytes", "kB", "MB", "GB", "TB", "PB"))
    unit = next(units)
    for larger in units:
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:,.0f} {unit}"


def room() -> int | None:
    """How many bytes this process can have at most, disk for swapping included; None: unknown."""
    sizes = [*_machine(), *_allowed()]
    return min(sizes) if sizes else None


def largest(options: Mapping[str, Any]) -> str | None:
    """The option with the largest whole number; None where no number is large."""
    numbers = {k: v for k, v in options.items() if type(v) is int and v >= _LARGE}
    return max(numbers, key=numbers.__getitem__) if numbers else None


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    kinds = (RuntimeError, OverflowError, TypeError, ValueError)
    return isinstance(error, kinds) and _SAID.search(str(error)) is not None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _machine() -> Iterator[int]:
    with suppress(OSError, ValueError, IndexError):
        lines = dict(
            line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines()
        )
        yield 1024 * sum(int(lines.get(key, "0").split()[0]) for key in ("MemTotal", "SwapTotal"))
        return
    with suppress(AttributeError, OSError, ValueError):
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _allowed() -> Iterator[int]:
    """What a container may have, and what `ulimit -v` allows."""
    for file in _LIMITS:
        with suppress(OSError, ValueError):
            yield int(Path(file).read_text("ascii"))
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:
            yield soft
