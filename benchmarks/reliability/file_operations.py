"""Something happens at the k-th operation on files: the disk is full, or the plug is pulled."""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable
from typing import Any
from unittest import mock

WRITING = ("write", "fsync", "rename", "mkdir")  # what needs room or a disk that works
_FUNCTIONS = {
    "fsync": "fsync",
    "rename": "rename",
    "replace": "rename",
    "mkdir": "mkdir",
    "unlink": "remove",
    "rmdir": "remove",
    "truncate": "write",
}

Act = Callable[[str], None]


def kill(_what: str) -> None:
    """Be gone, as when the plug is pulled."""
    os.kill(os.getpid(), signal.SIGKILL)


def failing(number: int) -> Act:
    """Return what raises the `OSError` of a number of `errno`."""

    def fail(what: str) -> None:
        raise OSError(number, os.strerror(number), what)

    return fail


FAULTS = {"ENOSPC": failing(errno.ENOSPC), "EIO": failing(errno.EIO)}


class FileOperations:
    """Counts writes, fsyncs, renames, new folders and removals while it is entered.

    Opening a file for writing and writing into it are two operations. A write is cut in half
    before anything happens at it, so that torn lines and files are among what is left.

    Args:
        act: what happens at operation `at`, counted from 1; None: nothing ever does.
        at: which operation.
        for_good: it happens at each one from there on.
        kinds: the operations that are counted.
    """

    def __init__(
        self,
        act: Act | None = None,
        at: int = 0,
        *,
        for_good: bool = False,
        kinds: tuple[str, ...] = WRITING,
    ) -> None:
        self.count = 0
        self._act = act
        self._at = at
        self._for_good = for_good
        self._kinds = kinds
        self._patches = self._prepared()

    def __enter__(self) -> FileOperations:
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()

    def meet(self, kind: str, what: str, torn: Callable[[], object] | None = None) -> None:
        """Count one operation, and do what is to be done at it; `torn` does half of it."""
        self.count += kind in self._kinds
        here = self.count == self._at or (self._for_good and self.count > self._at)
        if self._act is None or kind not in self._kinds or not here:
            return
        if torn is not None:
            torn()
        self._act(what)

    def _prepared(self) -> list[Any]:
        patches = [
            mock.patch.object(os, name, self._watched(getattr(os, name), kind))
            for name, kind in _FUNCTIONS.items()
        ]
        opened = self._opening(io.open)
        return [
            *patches,
            mock.patch.object(os, "open", self._opening_descriptor(os.open)),
            mock.patch.object(io, "open", opened),
            mock.patch.object(builtins, "open", opened),
        ]

    def _watched(self, real: Callable[..., Any], kind: str) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            self.meet(kind, str(arguments[0]))
            return real(*arguments, **options)

        return watched

    def _opening_descriptor(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> Any:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self.meet("write", str(path))
            return real(path, flags, *arguments, **options)

        return opened

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if not set(mode) & set("wax+"):
                return real(file, mode, *arguments, **options)
            if not isinstance(file, int):  # a descriptor is open already
                self.meet("write", str(file))
            return _Written(real(file, mode, *arguments, **options), self, str(file))

        return opened


class _Written:
    """A file whose writes are counted."""

    def __init__(self, file: Any, operations: FileOperations, name: str) -> None:
        self._file = file
        self._operations = operations
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: Any) -> Any:
        self._operations.meet("write", self._name, lambda: self._tear(data))
        return self._file.write(data)

    def truncate(self, size: int | None = None) -> Any:
        self._operations.meet("write", self._name)
        return self._file.truncate(size)

    def _tear(self, data: Any) -> None:
        self._file.write(data[: len(data) // 2])
        self._file.flush()
