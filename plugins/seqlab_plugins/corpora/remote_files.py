"""Files elsewhere, by any URL that fsspec knows, as copies in the cache folder."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seqlab import CorpusError, CorpusUnavailable, SeqlabError
from seqlab.data.copies import NoCopy, copy_of, remember, remembered
from seqlab.offline import OFFLINE, why_offline
from seqlab.urls import without_secrets

log = logging.getLogger("seqlab.remote")

CONNECT, SILENCE = 10, 60  # seconds that a server may take to answer, and between two parts
BETWEEN = 10.0  # seconds between two lines of a long download
_CONTENT_MARKS = (
    *("ETag", "etag", "e_tag", "sha256", "md5", "md5Hash", "Content-MD5", "content_md5"),
    *("checksum", "VersionId", "version_id", "generation", "blob_id", "sha"),
)
_TIMES = (
    *("Last-Modified", "LastModified", "last_modified"),
    *("updated", "mtime", "modified", "created"),
)
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HTTP = ("http", "https")
_NOT_THERE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_NO_LOGIN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def remote_files(url: str) -> list[Path]:
    """Copies of the file at a URL, or of those that its pattern matches; new ones are downloaded.

    Each is downloaded once for its ETag or another mark of its content, and read from the copy.

    Raises:
        CorpusUnavailable: there is no such file, or it cannot be reached, or only offline.
        CorpusError: it is a folder, or changed while it was read.
        ValueError: a package is missing, or the scheme is not known.
    """
    if why := why_offline():
        return _downloaded_before(url, why)
    files, path = _file_system(url)
    copies = [_copy(files, *match) for match in _matches(files, path, url)]
    remember(url, copies)
    return copies


def _downloaded_before(url: str, why: str) -> list[Path]:
    try:
        return remembered(url)
    except NoCopy:
        raise CorpusUnavailable(f"{url}: has no copy in the cache, and {why}") from None


def _file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    scheme = urlsplit(url).scheme.lower()
    if "::" in url:
        raise ValueError(f"{url}: URLs in URLs (::) are not read; download the file first")
    try:
        from fsspec.core import url_to_fs

        options = _http_options() if scheme in _HTTP else {}
    except ImportError:
        raise ValueError(f"{url}: needs a package: pip install 'seqlab[remote]'") from None
    try:
        with _failures(url):
            files, path = url_to_fs(url, **options)
    except ImportError as error:
        package = _package(scheme, error)
        raise ValueError(f"{url}: {scheme}:// needs a package: pip install {package}") from None
    return files, path


def _http_options() -> dict[str, Any]:
    """No limit for a whole download; the proxies and logins of the machine, or those of fsspec."""
    import aiohttp
    from fsspec.config import conf

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=SILENCE)
    client: dict[str, Any] = {"trust_env": True, "timeout": timeout}
    for scheme in _HTTP:
        client |= conf.get(scheme, {}).get("client_kwargs", {})
    return {"client_kwargs": client}


def _package(scheme: str, error: ImportError) -> str:
    from fsspec.registry import known_implementations

    module = known_implementations[scheme]["class"].partition(".")[0]
    missing = getattr(error.__cause__ or error, "name", None) or module
    return str(missing if module == "fsspec" else module)


def _matches(files: Any, path: str, url: str) -> Iterator[tuple[str, str, str | None]]:
    """The URL of each file in order, its path in the file system, and its mark."""
    if "*" not in path and "[" not in path:
        yield url, path, mark_of(_info(files, path, url))
        return
    with _failures(url):
        files.invalidate_cache()
        found = files.glob(path, detail=True)
    if not found:
        raise CorpusUnavailable(f"{url}: matches no file")
    for match, listed in sorted(found.items()):
        if listed.get("type") != "directory":
            name = str(files.unstrip_protocol(match))
            yield name, match, mark_of(listed) or mark_of(_info(files, match, name))


def _copy(files: Any, url: str, path: str, mark: str | None) -> Path:
    def fetch(target: Path) -> None:
        before = _info(files, path, url)
        log.info("Downloading %s%s", url, _in_bytes(before.get("size")))
        with _failures(url):
            files.get_file(path, os.fspath(target), callback=_progress(url))
        size, expected = target.stat().st_size, before.get("size")
        if mark_of(_info(files, path, url)) != mark_of(before):
            raise CorpusError(f"{url}: changed while it was read; run again")
        if expected not in (None, size):
            message = f"was cut off after {size:,} of {expected:,} bytes; run again"
            raise CorpusUnavailable(f"{url}: {message}")

    return copy_of(url, mark, fetch)


def _info(files: Any, path: str, url: str) -> Mapping[str, Any]:
    with _failures(url):
        files.invalidate_cache()
        info: Mapping[str, Any] = files.info(path)
    if info.get("type") == "directory" or path.endswith("/"):
        raise CorpusError(f"{url}: is a folder; write {url.rstrip('/')}/*.txt for the files in it")
    return info


def mark_of(info: Mapping[str, Any]) -> str | None:
    """What changes with the content of a file: its ETag, a checksum or version, or size and time.

    None: its server tells none of these.
    """
    size = info.get("size")
    if mark := _first(info, _CONTENT_MARKS):
        return f"{mark}, {size} bytes"
    time_of = _first(info, _TIMES)
    return f"{time_of}, {size} bytes" if time_of and size is not None else None


def _first(info: Mapping[str, Any], names: Iterable[str]) -> str:
    return next((f"{name} {info[name]}" for name in names if info.get(name)), "")


@contextmanager
def _failures(url: str) -> Iterator[None]:
    """Turn whatever a file system raises into one line about the URL, without what is secret."""
    try:
        yield
    except (SeqlabError, ImportError):
        raise
    except Exception as raised:
        error = _reason_of(raised)
        if isinstance(error, FileNotFoundError) or _status(error) in _NOT_THERE:
            raise CorpusUnavailable(f"{url}: there is no such file") from None
        if isinstance(error, OSError) and error.errno in _DISK_IS_FULL:
            raise
        if str(error).startswith("Protocol not known"):
            problem = "fsspec knows no such scheme; https, s3 and gs are some"
            raise ValueError(f"{url}: {problem}") from None
        problem = f"cannot be reached ({_told(error)}){_advice(error)}"
        raise CorpusUnavailable(f"{url}: {problem}") from None


def _reason_of(error: Exception) -> Exception:
    """What lies behind an error: over HTTP, whatever goes wrong is a FileNotFoundError first."""
    cause = error.__cause__
    return cause if isinstance(error, FileNotFoundError) and isinstance(cause, Exception) else error


def _told(error: Exception) -> str:
    """What went wrong; a server's answer may have the address that it redirected to."""
    if status := _status(error):
        return f"{status.value} {status.phrase}"
    text = without_secrets(" ".join(str(error).split()))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _status(error: Exception) -> HTTPStatus | None:
    """The status of an answer by HTTP, if it is one."""
    with suppress(ValueError):
        return HTTPStatus(getattr(error, "status", 0))
    return None


def _advice(error: Exception) -> str:
    if _status(error) in _NO_LOGIN or isinstance(error, PermissionError):
        return "; a login comes from ~/.netrc (https), the environment or ~/.config/fsspec"
    return f"; with {OFFLINE}=1 the newest copy in the cache is read, if there is one"


def _in_bytes(size: int | None) -> str:
    return "" if size is None else f" ({size:,} bytes)"


def _progress(url: str) -> Any:
    """A callback of fsspec that logs how far a long download is."""
    from fsspec.callbacks import Callback

    class Progress(Callback):  # type: ignore[misc] # fsspec has no types
        due = time.monotonic() + BETWEEN

        def call(self, *args: Any, **kwargs: Any) -> None:
            if time.monotonic() >= self.due:
                self.due = time.monotonic() + BETWEEN
                log.info("Downloading %s: %s of %s bytes", url, f"{self.value:,}", self.size or "?")

    return Progress()
