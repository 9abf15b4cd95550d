"""Remove runs: only what seqlab wrote, and nothing behind a link."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab import atomic
from seqlab.atomic import MARKER, is_unfinished, set_aside
from seqlab.errors import RunFailed, SeqlabError, UsageError
from seqlab.files import entries, expect_folder, size_of
from seqlab.runs.folder import FILES, FOLDERS, RunFolder, folder_of_name, is_given_name
from seqlab.runs.lock import in_use, locked
from seqlab.runs.lookup import all_runs
from seqlab.runs.settings import flatten
from seqlab.training import checkpoint


@dataclass(frozen=True)
class Removal:
    """What is to be removed of a run: `files` and then `folders`, from the run's folder.

    `size` is that of the files, in bytes.
    """

    folder: RunFolder
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    size: int


def plan_removal(folder: RunFolder) -> Removal:
    """Look through the folder of a run; nothing is removed yet.

    Raises:
        UsageError: it is in use, or holds something that seqlab did not write there, or a link.
        CheckpointError: `run.json` is damaged, so that nobody knows whose folder it is.
    """
    if in_use(folder.path):
        raise UsageError(f"{folder.path}: is in use; it can be removed once its process has ended")
    return _plan(folder)


def _plan(folder: RunFolder) -> Removal:
    description = folder.description()
    try:
        expect_folder(folder.path)
        files, folders = _known_paths(folder.path, description)
        size = sum(size_of(folder.path / file) for file in files)
    except OSError as error:
        place = error.filename or folder.path
        raise UsageError(f"{place}: {error.strerror or error}; so no run is removed") from None
    return Removal(folder, tuple(files), tuple(folders), size)


def _known_paths(run: Path, description: Mapping[str, Any]) -> tuple[list[Path], list[Path]]:
    """Return files and folders in a run folder, inner folders first.

    Raises:
        OSError: something else is there too.
    """
    copies = {f"{used['name']}.py" for used in description["plugins"] if not used["distribution"]}
    checkpoints = _entries(run / "checkpoints", checkpoint.is_name)
    named = [*_entries(run, lambda name: name in FILES or name in FOLDERS)]
    files = [path for path in named if path.name in FILES]
    files += _entries(run / "plugins", copies.__contains__)
    files += _entries(run / "tensorboard", lambda name: name.startswith("events.out.tfevents."))
    for saved in checkpoints:
        files += _entries(saved, checkpoint.FILES.__contains__)
    folders = checkpoints + [path for path in named if path.name in FOLDERS]
    for path in folders:
        expect_folder(path)
    return _relative(files, run), _relative(folders, run)


def _entries(folder: Path, is_known: Callable[[str], bool]) -> list[Path]:
    """Return what is in a folder; raise OSError if any name is not known.

    What seqlab has left half made there does not count; it is cleared by itself.
    """
    found = [path for path in entries(folder) if not is_unfinished(path) and path.name != MARKER]
    for path in found:
        if not is_known(path.name):
            raise OSError(0, f"holds '{path.name}', which seqlab did not put there", str(folder))
    return found


def _relative(paths: Iterable[Path], folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in paths]


def remove(removal: Removal, root: Path) -> None:
    """Remove a run; it is renamed first, so that one that is half removed does not look whole.

    The folder of its name under `root` goes too, if nothing else is in it and seqlab made it.

    Raises:
        UsageError: it is in use by now, or holds something new.
        RunFailed: something could not be removed.
    """
    path = removal.folder.path
    name_folder = folder_of_name(removal.folder.name, root)
    with locked(path):
        atomic.remove_leftovers(path)
        checkpoint.remove_leftovers(removal.folder.checkpoints)
        removal = _plan(removal.folder)
        try:
            _unlink(set_aside(path), removal)
        except OSError as error:
            place, reason = error.filename or path, error.strerror or error
            raise RunFailed(f"{place}: cannot be removed ({reason})") from None
    if not is_given_name(path.name) and path.parent.absolute() == name_folder.absolute():
        with suppress(OSError):  # it holds other runs
            path.parent.rmdir()


def _unlink(folder: Path, removal: Removal) -> None:
    (folder / "run.json").unlink()  # from here on it is no run
    for file in removal.files:
        (folder / file).unlink(missing_ok=True)
    for inner in removal.folders:
        (folder / inner / MARKER).unlink(missing_ok=True)
        (folder / inner).rmdir()
    (folder / MARKER).unlink(missing_ok=True)
    folder.rmdir()


def used_by(folders: Sequence[RunFolder], root: Path) -> dict[RunFolder, list[RunFolder]]:
    """Return which other runs under a root name these: to start from, as a teacher, as a draft."""
    own = {_absolute(folder.path): folder for folder in folders}
    ids = {folder.description().get("id"): folder for folder in folders}
    users: dict[RunFolder, list[RunFolder]] = {}
    for other in all_runs(root):
        if _absolute(other.path) in own:
            continue
        named = [own.get(_absolute(text)) or ids.get(text) for text in _named_in(other)]
        for folder in dict.fromkeys(filter(None, named)):
            users.setdefault(folder, []).append(other)
    return users


def _named_in(run: RunFolder) -> Iterator[str]:
    """Every text that may name another run: in the settings, and in what it started from."""
    try:
        description = run.description()
    except SeqlabError:  # it is damaged
        return
    begun = description.get("init_from", {})
    yield from (text for text in (begun.get("id"), begun.get("run")) if text)
    values = flatten(description.get("settings", {})).values()
    yield from (value for value in values if isinstance(value, str) and os.sep in value)


def _absolute(path: str | Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 # keeps links
