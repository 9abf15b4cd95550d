"""An address of a model hub, `hf://OWNER/NAME@REVISION` -> the folder of a run, in the cache."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from seqlab.atomic import atomic_folder, sync_tree
from seqlab.cache_folder import cache_folder
from seqlab.errors import RunFailed, UsageError
from seqlab.hub_client import (
    LOG_IN,
    NEEDED,
    hub_client,
    in_one_line,
    quiet_client,
    status_of,
)
from seqlab.offline import why_offline

log = logging.getLogger(__name__)

PREFIX = "hf://"
FILES = ["*.json", "*.jsonl", "*.yaml", "README.md", "checkpoints/*/*", "plugins/*.py"]
"""Of a repository: what a run folder has."""
_ADDRESS = re.compile(r"hf://([\w-][\w.-]*)/([\w-][\w.-]*?)(?:@([\w./-]+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class _Address(NamedTuple):
    text: str
    owner: str
    name: str
    revision: str | None

    @property
    def repository(self) -> str:
        return f"{self.owner}/{self.name}"


def is_address(run: object) -> bool:
    """Return whether a run is named by an address of a hub."""
    return isinstance(run, str) and run.startswith(PREFIX)


def pull(address: str) -> Path:
    """Return the folder of a run on a hub, which is fetched unless it was before.

    The hub is $HF_ENDPOINT, or huggingface.co; the token that of $HF_TOKEN or of a login.

    Raises:
        UsageError: the address is not one, there is no such run there, or a package is missing.
        RunFailed: it cannot be fetched.
    """
    parsed = _parsed(address)
    if parsed.revision and _COMMIT.fullmatch(parsed.revision):
        folder = _folder(parsed, parsed.revision)
        if (folder / "run.json").is_file():
            return folder
    if reason := why_offline():
        raise UsageError(f"run '{address}': {reason}; the folder of a run is read without a hub")
    client = _client(parsed)
    with _telling(parsed):
        info = client.model_info(parsed.repository, revision=parsed.revision)
        if "run.json" not in {file.rfilename for file in info.siblings or ()}:
            raise UsageError(f"run '{address}': is no run of seqlab: it has no run.json")
        commit = str(info.sha)
        if not _COMMIT.fullmatch(commit):
            raise RunFailed(f"run '{address}': the hub gives no commit for it")
        folder = _folder(parsed, commit)
        if not (folder / "run.json").is_file():
            log.info("Fetching %s at %s", parsed.repository, commit[:12])
            _fetch(client, parsed, commit, folder)
    return folder


def _parsed(address: str) -> _Address:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise UsageError(
            f"run '{address}': is no address of a hub, such as hf://OWNER/NAME or"
            " hf://OWNER/NAME@REVISION"
        )
    return _Address(address, *match.groups())


def _folder(address: _Address, commit: str) -> Path:
    return cache_folder() / "hub" / f"{address.owner}--{address.name}" / commit


def _client(address: _Address) -> Any:
    try:
        return hub_client()
    except ImportError:
        raise UsageError(f"run '{address.text}': {NEEDED}") from None


def _fetch(client: Any, address: _Address, commit: str, folder: Path) -> None:
    """Fetch the files of a run into a folder, which is there when it is whole."""
    try:
        with atomic_folder(folder) as temporary:
            client.snapshot_download(
                address.repository, revision=commit, local_dir=temporary, allow_patterns=FILES
            )
            shutil.rmtree(temporary / ".cache", ignore_errors=True)  # what the library notes there
            sync_tree(temporary)
    except OSError:
        if not (folder / "run.json").is_file():  # nor has another process fetched it meanwhile
            raise


@contextmanager
def _telling(address: _Address) -> Iterator[None]:
    """Say in one line what is wrong."""
    try:
        with quiet_client():
            yield
    except (RunFailed, UsageError):
        raise
    except Exception as error:  # of HTTP, of files, or of the library, in versions of its own
        raise _told(error, address) from error


def _told(error: Exception, address: _Address) -> RunFailed | UsageError:
    where = f"run '{address.text}'"
    if status_of(error) in (401, 403, 404):
        return UsageError(
            f"{where}: there is no such model or revision on the hub, or it may not be read"
            f" without a token ({LOG_IN})"
        )
    return RunFailed(f"{where}: cannot be fetched ({in_one_line(error)})")
