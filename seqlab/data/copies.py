"""Copies in the cache folder of files that are elsewhere, each under its URL and its mark.

A mark is what changes with the content, such as an ETag. A copy without one lasts for a process.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PosixPath, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from seqlab.atomic import atomic_folder, make_folders, remove_folder, write_atomic, write_synced
from seqlab.cache_folder import cache_folder
from seqlab.data.cache_writing import locked, process_folder, writable_folder
from seqlab.files import entries, expect_folder, read, size_of, sync_file

FOLDER, LISTS = "copies", "copied"  # of the copies, and of what was copied last for a URL
MANIFEST = "copy.json"
MAX_MANIFEST, MAX_LIST = 1 << 16, 1 << 26  # bytes
_CONTENT = re.compile(r"content(\.[A-Za-z0-9]{1,12}){0,2}")
_ENDING = re.compile(r"(\.[A-Za-z0-9]{1,12}){1,2}$")


class Copy(PosixPath):
    """The path of a copy. In a message, and wherever else it is a text, it is the URL."""

    url: str = ""

    @classmethod
    def of(cls, path: Path, url: str) -> Copy:
        """The copy of a URL at a path."""
        copy = cls(path)
        copy.url = url
        return copy

    def __str__(self) -> str:
        return self.url or super().__str__()

    def __fspath__(self) -> str:
        return super().__str__()


class NoCopy(Exception):
    """There is none, or it is damaged."""


def copy_of(url: str, mark: str | None, fetch: Callable[[Path], None]) -> Path:
    """Return the copy of a file; it is made if there is none for this mark.

    Args:
        url: where the file is.
        mark: changes with its content; None: nobody knows, so it is fetched again.
        fetch: writes the file to a path; it may raise a SeqlabError.

    Raises:
        RunFailed: the copy cannot be written.
    """
    if mark is None:
        folder = process_folder() / FOLDER / secrets.token_hex(16)
    else:
        folder = writable_folder() / FOLDER / _key(url, mark)
    with locked(folder):
        with suppress(NoCopy):
            return _open(folder, url)
        _make(folder, url, fetch)
        return _open(folder, url)


def remember(asked: str, copies: Iterable[Path]) -> None:
    """Write down which copies are the newest of what was asked for: a URL, or a pattern of some."""
    folder = writable_folder() / LISTS
    rows = [[str(copy), copy.parent.name] for copy in copies]
    with suppress(OSError):
        make_folders(folder)
        data = json.dumps({"asked": asked, "copies": rows}).encode()
        write_atomic(folder / _key(asked), data)


def remembered(asked: str) -> list[Path]:
    """Return the newest copies of a URL or a pattern.

    Raises:
        NoCopy: one of them is not there any more.
    """
    with _damage():
        rows = json.loads(read(cache_folder() / LISTS / _key(asked), MAX_LIST))["copies"]
        return [_open(cache_folder() / FOLDER / Path(key).name, str(url)) for url, key in rows]


def size_of_copy(folder: Path) -> int:
    """The bytes of a copy; raises OSError where its folder cannot be read."""
    expect_folder(folder)
    return sum(size_of(path) for path in entries(folder))


def remove_copy(folder: Path) -> int:
    """Remove a copy, and return its size; raises OSError where something else is in its folder."""
    size = size_of_copy(folder)
    names = [path.name for path in entries(folder)]
    remove_folder(folder, [MANIFEST, *filter(_CONTENT.fullmatch, names)])
    return size


def remove_list(file: Path) -> int:
    """Remove what was written down for a URL or a pattern, and return its size."""
    data = read(file, MAX_LIST)
    if not data.startswith(b'{"asked"'):
        raise OSError(0, "was not made by seqlab, so it stays", str(file))
    file.unlink()
    return len(data)


def _make(folder: Path, url: str, fetch: Callable[[Path], None]) -> None:
    with suppress(FileNotFoundError):
        remove_copy(folder)
    with atomic_folder(folder) as temporary:
        content = temporary / f"content{_ending(url)}"
        fetch(content)
        with content.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            sync_file(file)
        status = content.stat()
        manifest = {
            "url": url,
            "name": content.name,
            "sha256": digest,
            "size": status.st_size,
            "modified": status.st_mtime_ns,
        }
        write_synced(temporary / MANIFEST, json.dumps(manifest).encode())


def _open(folder: Path, url: str) -> Copy:
    """Open a copy; it is only read where its time is not that at which it was written."""
    with _damage():
        expect_folder(folder)
        manifest: dict[str, Any] = json.loads(read(folder / MANIFEST, MAX_MANIFEST))
        name = manifest["name"]
        if not _CONTENT.fullmatch(name) or size_of(folder / name) != manifest["size"]:
            raise NoCopy(f"{folder}: has another size than was written")
        content = folder / name
        if content.stat().st_mtime_ns != manifest["modified"]:
            with content.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != manifest["sha256"]:
                    raise NoCopy(f"{folder}: has other bytes than were written")
    return Copy.of(content, url)


@contextmanager
def _damage() -> Iterator[None]:
    """Whatever is missing or damaged: there is no copy then."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise NoCopy(str(error)) from None


def _ending(url: str) -> str:
    """The last two suffixes of a file's name, such as .txt.gz; readers go by them."""
    found = _ENDING.search(PurePosixPath(urlsplit(url).path).name)
    return found[0] if found else ""


def _key(*parts: str) -> str:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
