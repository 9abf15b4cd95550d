"""Where a study is kept: a journal in the sweep's folder, or a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from filelock import FileLock

from seqlab.atomic import alone_in
from seqlab.errors import RunFailed, UsageError
from seqlab.sweeps.folder import SweepFolder
from seqlab.sweeps.optuna import optuna
from seqlab.sweeps.settings import Environment, Settings

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

POSTGRESQL = "postgresql+psycopg://"
_LOCK = 0x5E91AB  # of PostgreSQL, for making and mending studies


class Lost(Exception):  # it says what happened
    """The storage is not the one that was opened; it is to be opened again."""


class JournalLock:
    """A lock of the journal, which the system releases when a process ends.

    Whoever has it finds whole lines only: what a killed process left of one is cut off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path.with_name(f"{path.name}.lock"))
        self.inode = 0

    def acquire(self) -> bool:
        self._lock.acquire()
        try:
            self.check()
            _cut_partial_line(self._path)
        except BaseException:
            self._lock.release()
            raise
        return True

    def release(self) -> None:
        self._lock.release()

    def check(self) -> None:
        """Raise Lost unless the journal is the file that was opened."""
        if inode_of(self._path) != self.inode:
            raise Lost(str(self._path))


def inode_of(path: Path) -> int:
    """The number of a file; 0: there is none."""
    with suppress(OSError):
        return path.stat().st_ino
    return 0


def _cut_partial_line(path: Path) -> None:
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end:
            begin = max(0, end - 4096)
            file.seek(begin)
            data = file.read(end - begin)
            if b"\n" in data:
                end = begin + data.rindex(b"\n") + 1
                break
            end = begin
        if end < size:
            file.truncate(end)


def open_storage(settings: Settings, folder: SweepFolder) -> BaseStorage:
    """Open the storage of a sweep; a journal that is not there is made.

    Raises:
        UsageError: the environment has no URL of a database, or a package is missing.
        RunFailed: the database cannot be reached.
    """
    if isinstance(settings.storage, Environment):
        return _database(settings.storage.environment)
    return _journal(folder.journal)


def _journal(path: Path) -> BaseStorage:
    journal = optuna().storages.journal
    lock = JournalLock(path)

    class Journal(journal.JournalFileBackend):  # type: ignore[name-defined,misc] # loaded late
        def read_logs(self, log_number_from: int) -> Any:
            lock.check()
            return super().read_logs(log_number_from)

    backend = Journal(str(path), lock_obj=lock)
    lock.inode = inode_of(path)
    storage: BaseStorage = optuna().storages.JournalStorage(backend)
    return storage


def url_in(variable: str) -> str:
    """Return the URL of a database that an environment variable holds.

    Raises:
        UsageError: it is not set, or no URL of a kind that is known.
    """
    url = os.environ.get(variable, "")
    if not url:
        raise UsageError(
            f"storage: ${variable} is not set; it should be the URL of a database, such as"
            f" {POSTGRESQL}user@host/name"
        )
    if url.startswith("postgresql://"):
        url = POSTGRESQL + url.removeprefix("postgresql://")
    if not url.startswith((POSTGRESQL, "grpc://")):
        raise UsageError(f"storage: ${variable} should begin with {POSTGRESQL} or grpc://")
    return url


def _database(variable: str) -> BaseStorage:
    url = url_in(variable)
    storages = optuna().storages
    try:
        if url.startswith("grpc://"):
            parts = urlsplit(url)
            proxy: BaseStorage = storages.GrpcStorageProxy(
                host=parts.hostname or "localhost", port=parts.port or 13000
            )
            return proxy
        options = {"pool_pre_ping": True, "pool_size": 2}
        database: BaseStorage = storages.RDBStorage(url, engine_kwargs=options)
    except ImportError:
        package = "grpcio protobuf" if url.startswith("grpc://") else "'seqlab[sweep]'"
        raise UsageError(f"storage: ${variable} needs a package: pip install {package}") from None
    except Exception as error:  # of the driver, whose words may hold the URL
        raise RunFailed(f"storage: ${variable}: {_first_line(error)}") from None
    return database


def _first_line(error: BaseException) -> str:
    """What a driver says, without the statement and the parameters below it."""
    cause = getattr(error, "orig", None) or error
    return f"cannot be used ({str(cause).splitlines()[0][:200]})"


def close_storage(storage: BaseStorage) -> None:
    """Close the connections of a database; a journal has none."""
    storage.remove_session()
    engine = getattr(storage, "engine", None)
    if engine is not None:
        engine.dispose()


@contextmanager
def alone_with(storage_settings: Settings, folder: SweepFolder) -> Iterator[None]:
    """Wait until nobody else makes or mends the study, on this file system or in the database."""
    with alone_in(folder.path):
        if not isinstance(storage_settings.storage, Environment):
            yield
            return
        url = url_in(storage_settings.storage.environment)
        if url.startswith("grpc://"):
            yield
            return
        with _database_lock(url, storage_settings.storage.environment):
            yield


@contextmanager
def _database_lock(url: str, variable: str) -> Iterator[None]:
    optuna()
    try:
        import psycopg

        connection = psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)
    except ImportError:
        raise UsageError(
            f"storage: ${variable} needs a package: pip install 'seqlab[sweep]'"
        ) from None
    except psycopg.Error as error:
        raise RunFailed(f"storage: ${variable}: {_first_line(error)}") from None
    with connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
        yield
