"""Lines of a file to which another process appends, and which a resumed run cuts back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from seqlab.files import open_to_read

MARK = 1 << 12  # bytes before the place that is read to, by which the file is known again


class Read(NamedTuple):
    """New lines; `anew`: they take the place of all lines before."""

    lines: list[bytes]
    anew: bool


class Lines:
    """Reads a file further at each call; at first its last `most` bytes.

    A run that is resumed cuts its files back to a checkpoint. The file is then shorter than it was,
    or has other bytes before the place that was read to: it is read anew.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._path, self._most = path, most
        self._stamp: tuple[int, ...] = ()
        self._offset = -1  # nothing is read yet
        self._mark = b""

    def read(self) -> Read:
        """Return the complete lines since the last call.

        Raises:
            OSError: it is no regular file, or cannot be read.
        """
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            anew, self._offset, self._stamp, self._mark = self._offset != 0, 0, (), b""
            return Read([], anew)
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        if stamp == self._stamp:
            return Read([], anew=False)
        with open_to_read(self._path) as file:
            size = file.seek(0, os.SEEK_END)
            begin = self._offset
            anew = begin < 0 or size < begin
            if not anew:
                file.seek(begin - len(self._mark))
                anew = file.read(len(self._mark)) != self._mark
            if anew:
                begin = max(size - self._most, 0)
                file.seek(begin)
                begin += len(file.readline()) if begin else 0  # that line is cut
            data = file.read(self._most)
        whole = data[: data.rfind(b"\n") + 1]
        self._stamp, self._offset = stamp, begin + len(whole)
        self._mark = whole[-MARK:] if anew else (self._mark + whole)[-MARK:]
        return Read(whole.splitlines(), anew)
