"""Members of zip archives, decompressed a piece at a time.

The standard library limits the size of a piece only for deflated members: of bzip2 and LZMA, a
kilobyte may become a gigabyte in one call.
"""

from __future__ import annotations

import bz2
import copy
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, Any, cast

MAX_DICTIONARY = 128 << 20  # bytes, which LZMA allocates at once
PIECE = 1 << 16  # compressed bytes


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """Open a member for reading.

    Raises:
        zipfile.BadZipFile: it is damaged.
    """
    decompressors: dict[int, Callable[[IO[bytes]], Any]] = {
        zipfile.ZIP_BZIP2: lambda _: bz2.BZ2Decompressor(),
        zipfile.ZIP_LZMA: _lzma_decompressor,
    }
    if info.compress_type not in decompressors:
        return archive.open(info)
    stored = copy.copy(info)
    stored.compress_type, stored.file_size = zipfile.ZIP_STORED, info.compress_size
    stored.CRC = cast("int", None)  # not checked for compressed bytes, but for the content, here
    compressed = archive.open(stored)
    decompressor = decompressors[info.compress_type](compressed)
    return cast("IO[bytes]", _Member(compressed, decompressor, info))


def _lzma_decompressor(compressed: IO[bytes]) -> lzma.LZMADecompressor:
    """Read the header of a member: the version, the size of the properties, and these."""
    header = compressed.read(4)
    properties = compressed.read(struct.unpack("<H", header[2:])[0] if len(header) == 4 else 0)
    if len(properties) != 5:
        raise zipfile.BadZipFile("its LZMA header is cut off")
    flags, dictionary = struct.unpack("<BI", properties)
    if dictionary > MAX_DICTIONARY:
        raise zipfile.BadZipFile(f"its LZMA dictionary has {dictionary:,} bytes")
    coder = {
        "id": lzma.FILTER_LZMA1,
        "dict_size": max(dictionary, 4096),
        "lc": flags % 9,
        "lp": flags // 9 % 5,
        "pb": flags // 45,
    }
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[coder])


class _Member(io.RawIOBase):
    """Decompresses no more at once than is requested, and checks the CRC at the end."""

    def __init__(self, compressed: IO[bytes], decompressor: Any, info: zipfile.ZipInfo) -> None:
        self._compressed = compressed
        self._decompressor = decompressor
        self._crc, self._expected = 0, info.CRC
        self._left = info.file_size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, none at the end."""
        if size < 0:
            raise ValueError("a member is read in pieces")
        while self._left and not self._decompressor.eof:
            fed = self._compressed.read(PIECE) if self._decompressor.needs_input else b""
            if self._decompressor.needs_input and not fed:
                raise zipfile.BadZipFile("it ends too early")
            try:
                data = self._decompressor.decompress(fed, min(size, self._left))
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise zipfile.BadZipFile(str(error) or "its data is damaged") from None
            if data:
                self._left -= len(data)
                self._crc = zlib.crc32(data, self._crc)
                return cast("bytes", data)
        if self._crc != self._expected:
            raise zipfile.BadZipFile("its CRC-32 is wrong")
        return b""
