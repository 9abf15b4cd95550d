"""The names of files that a repository neither tracks nor ignores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from seqlab.runs.git_commit import Repository

MOST_NAMES = 200


def untracked(repository: Repository, tracked: set[bytes], check: Callable[[], None]) -> list[str]:
    """Return their paths, sorted; a folder without tracked files is one name that ends in `/`.

    Args:
        repository: where they are looked for.
        tracked: the paths that are not.
        check: called now and then; it raises if there is no more time.
    """
    folders = {b""}
    for path in tracked:
        while path := path.rpartition(b"/")[0]:
            folders.add(path)
    return sorted(_Untracked(repository, tracked, folders, check).below(""))


class _Untracked:
    def __init__(
        self,
        repository: Repository,
        tracked: set[bytes],
        folders: set[bytes],
        check: Callable[[], None],
    ) -> None:
        from dulwich.ignore import IgnoreFilter, IgnoreFilterManager

        self._top = repository.top
        self._tracked, self._folders, self._check = tracked, folders, check
        exclude = repository.common / "info" / "exclude"
        everywhere = [IgnoreFilter.from_path(str(exclude))] if exclude.is_file() else []
        self._ignored = IgnoreFilterManager(str(self._top), everywhere, False).is_ignored

    def below(self, folder: str) -> Iterator[str]:
        self._check()
        try:
            with os.scandir(self._top / folder) as found:
                entries = list(found)
        except OSError:  # it may not be read, or is gone
            return
        for entry in entries:
            path = f"{folder}{entry.name}"
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name == ".git" or os.fsencode(path) in self._tracked:
                continue
            if os.fsencode(path) in self._folders:
                yield from self.below(f"{path}/")
            elif not self._ignored(f"{path}/" if is_folder else path):
                if not is_folder:
                    yield path
                elif Path(entry.path, ".git").exists() or any(self.below(f"{path}/")):
                    yield f"{path}/"
