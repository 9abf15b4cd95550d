"""Members of zip archives, unpacked a piece at a time however they are packed.

The standard library bounds what it unpacks at once of deflated members alone: a kilobyte of bzip2
or LZMA becomes a gigabyte in one call.
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

LARGEST_DICTIONARY = 128 << 20  # bytes, of LZMA, which asks for all of them at once
PIECE = 1 << 16  # packed bytes


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """Open a member for reading.

    Raises:
        zipfile.BadZipFile: it is damaged.
    """
    packings: dict[int, Callable[[IO[bytes]], Any]] = {
        zipfile.ZIP_BZIP2: lambda packed: bz2.BZ2Decompressor(),
        zipfile.ZIP_LZMA: _lzma,
    }
    if info.compress_type not in packings:
        return archive.open(info)
    stored = copy.copy(info)
    stored.compress_type, stored.file_size = zipfile.ZIP_STORED, info.compress_size
    stored.CRC = cast("int", None)  # it is that of the unpacked bytes, which are checked here
    packed = archive.open(stored)
    unpacking = packings[info.compress_type](packed)
    return cast("IO[bytes]", _Member(packed, unpacking, info))


def _lzma(packed: IO[bytes]) -> lzma.LZMADecompressor:
    """Read the header of a member: two versions, the size of what follows, and the properties."""
    header = packed.read(4)
    properties = packed.read(struct.unpack("<H", header[2:])[0] if len(header) == 4 else 0)
    if len(properties) != 5:
        raise zipfile.BadZipFile("its LZMA header is cut off")
    flags, dictionary = struct.unpack("<BI", properties)
    if dictionary > LARGEST_DICTIONARY:
        raise zipfile.BadZipFile(f"its LZMA asks for a dictionary of {dictionary:,} bytes")
    coder = {
        "id": lzma.FILTER_LZMA1,
        "dict_size": max(dictionary, 4096),
        "lc": flags % 9,
        "lp": flags // 9 % 5,
        "pb": flags // 45,
    }
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[coder])


class _Member(io.RawIOBase):
    """Unpacks no more at once than is asked for, and checks the whole at its end."""

    def __init__(self, packed: IO[bytes], unpacking: Any, info: zipfile.ZipInfo) -> None:
        self._packed = packed
        self._unpacking = unpacking
        self._crc, self._expected = 0, info.CRC
        self._left = info.file_size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; none at the end."""
        if size < 0:
            raise ValueError("a member is read in pieces")
        while self._left and not self._unpacking.eof:
            fed = self._packed.read(PIECE) if self._unpacking.needs_input else b""
            if self._unpacking.needs_input and not fed:
                raise zipfile.BadZipFile("it ends early")
            try:
                data = self._unpacking.decompress(fed, min(size, self._left))
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise zipfile.BadZipFile(str(error) or "its data are damaged") from None
            if data:
                self._left -= len(data)
                self._crc = zlib.crc32(data, self._crc)
                return cast("bytes", data)
        if self._crc != self._expected:
            raise zipfile.BadZipFile("its CRC-32 is another")
        return b""
