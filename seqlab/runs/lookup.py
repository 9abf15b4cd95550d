"""Find runs: by folder, name, id, tag, a glob of these, `latest`, or an address of a hub."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from seqlab.arguments import named_path
from seqlab.atomic import is_unfinished
from seqlab.errors import SeqlabError, UsageError
from seqlab.remedies import Verb
from seqlab.runs.folder import ROOT, RunFolder, folder_of_name, is_given_name
from seqlab.runs.hub import is_address, pull
from seqlab.runs.notes import read_notes

SWEEP = "sweep.json"  # is in the folder of a sweep, beside the folders of its runs
_MOST_NAMED = 5


def all_runs(root: Path = ROOT) -> list[RunFolder]:
    """Return every run under a root, the oldest first."""
    files = [*root.glob("*/run.json"), *root.glob("*/*/run.json")]
    folders = [file.parent for file in files]
    whole = [path for path in folders if not (is_unfinished(path) or is_unfinished(path.parent))]
    return sorted(map(RunFolder, whole), key=_start_time)


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (folder / SWEEP).is_file()


def _start_time(run: RunFolder) -> float:
    """Return the time of `experiment.yaml`, which is written once."""
    try:
        return run.experiment.lstat().st_mtime
    except OSError:
        return 0.0


def find_run(run: str | Path, root: Path = ROOT) -> RunFolder:
    """Find one run, by anything that `find_runs` takes.

    Raises:
        UsageError: nothing matches, or several runs do.
    """
    found = find_runs([run], root)
    if len(found) == 1:
        return found[0]
    shown = ", ".join(str(folder.path) for folder in found[:_MOST_NAMED])
    shown += ", …" if len(found) > _MOST_NAMED else ""
    raise UsageError(f"run '{run}': is {len(found)} runs, where one is needed: {shown}")


def find_runs(patterns: Iterable[str | Path], root: Path = ROOT) -> list[RunFolder]:
    """Find runs: those of each pattern, the oldest first, each run once.

    A pattern is one of these, the first that fits:

    - an address of a model hub, such as `hf://OWNER/NAME@REVISION`: the run there, in the cache;
    - the folder of a run, or a path of a folder that holds runs, which stands for all of them;
    - `latest`, the run that was started last;
    - the name of a sweep: all of its runs;
    - the name of an experiment: its latest run;
    - a tag: all runs that have it;
    - the beginning of one run's id, or of its folder's name;
    - a glob: with a separator in it, of paths; else of names, tags, ids and names of folders.

    Raises:
        UsageError: a pattern fits nothing, or the ids of several runs begin with it.
    """
    patterns = [patterns] if isinstance(patterns, str | os.PathLike) else patterns
    known = _KnownRuns(root)
    found = [run for pattern in patterns for run in _matching(pattern, known)]
    return list({os.path.abspath(run.path): run for run in found}.values())  # noqa: PTH100 # keeps links


def _matching(pattern: str | Path, known: _KnownRuns) -> Sequence[RunFolder]:
    if is_address(pattern):
        return [RunFolder(pull(str(pattern)))]
    path, word = named_path(pattern, "RUN"), os.fsdecode(pattern)
    if _is_run(path):
        return [RunFolder(path)]
    if os.sep in word and path.is_dir():
        if runs := all_runs(path):
            return runs
        raise UsageError(f"{path}: is a folder, but not a run (it has no run.json), and holds none")
    found = known.by_word(word) or (all_runs(path) if path.is_dir() else [])
    if not found and glob.has_magic(word):
        found = known.by_glob(word) or _globbed_paths(word)
    if not found:
        raise UsageError(
            f"run '{word}': there is no such folder, name, id or tag under {known.root}/"
            f"{known.near(word)} ({Verb('runs')} lists all)"
        )
    return found


def _is_run(path: Path) -> bool:
    with suppress(OSError):
        return (path / "run.json").is_file()
    return False


def _globbed_paths(pattern: str) -> list[RunFolder]:
    """The runs among the folders that a glob stands for, and those that these hold."""
    paths = [Path(path) for path in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 # absolute ones too
    folders = [path for path in paths if not is_unfinished(path)]
    found = [[RunFolder(path)] if _is_run(path) else all_runs(path) for path in folders]
    return sorted((run for runs in found for run in runs), key=_start_time)


@dataclass(frozen=True)
class _Known:
    """What a run can be called."""

    run: RunFolder
    name: str
    tags: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, str]:
        """The name of its folder, and the part of that after the time."""
        name = self.run.path.name
        return name, name.rpartition("-")[2]

    @property
    def words(self) -> tuple[str, ...]:
        return (self.name, *self.tags, *self.ids)


@dataclass(frozen=True)
class _KnownRuns:
    """The runs under a root, read at most once."""

    root: Path

    @cached_property
    def folders(self) -> list[RunFolder]:
        return all_runs(self.root)

    @cached_property
    def runs(self) -> list[_Known]:
        return [_Known(run, run.name, _tags(run)) for run in self.folders]

    def by_word(self, word: str) -> list[RunFolder]:
        """What a word that is no path stands for; raise UsageError if it begins several ids."""
        if word == "latest" and self.folders:
            return self.folders[-1:]
        if runs := self.of_sweep(word):
            return runs
        if named := [known.run for known in self.runs if known.name == word]:
            return named[-1:]
        if tagged := [known.run for known in self.runs if word in known.tags]:
            return tagged
        matches = [known for known in self.runs if any(id_.startswith(word) for id_ in known.ids)]
        if len(matches) > 1:
            ids = ", ".join(known.ids[0] for known in matches[:_MOST_NAMED])
            raise UsageError(f"run '{word}': the ids of several runs begin with it: {ids}")
        return [known.run for known in matches]

    def of_sweep(self, word: str) -> list[RunFolder]:
        """All runs of a sweep, if a word is the name of one."""
        folder = folder_of_name(word, self.root)
        return all_runs(folder) if is_sweep(folder) else []

    def by_glob(self, pattern: str) -> list[RunFolder]:
        if os.sep in pattern:
            return []
        return [
            known.run
            for known in self.runs
            if any(fnmatchcase(word, pattern) for word in known.words)
        ]

    def near(self, word: str) -> str:
        """The end of a sentence about an unknown word: what it may have meant."""
        given = {name for known in self.runs for name in (known.name, *known.tags)}
        given |= {known.ids[0] for known in self.runs if is_given_name(known.ids[0])}
        given |= {"latest"} if self.runs else set()
        lower = {name.lower(): name for name in sorted(given, reverse=True)}
        near = get_close_matches(word.lower(), lower, n=3, cutoff=0.6)
        names = " or ".join(f"'{lower[name]}'" for name in near)
        return f"; did you mean {names}?" if names else ""


def _tags(run: RunFolder) -> tuple[str, ...]:
    """The tags of a run; a damaged file is none, as `seqlab runs` says what is wrong with it."""
    with suppress(SeqlabError):
        return read_notes(run).tags
    return ()
