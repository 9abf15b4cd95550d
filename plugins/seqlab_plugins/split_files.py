"""Which files a split is made of, as an experiment names them."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from seqlab import CorpusError, CorpusUnavailable

Files: TypeAlias = Path | list[Path]
"""A file, a glob such as texts/*.txt, or a list of these."""


def by_split(train: Files, valid: Files | None, test: Files | None) -> dict[str, list[Path]]:
    """Find the files of the splits that there are.

    Raises:
        CorpusUnavailable: a glob matches nothing.
        CorpusError: it matches nothing that could be read.
    """
    named = {"train": train, "valid": valid, "test": test}
    return {split: _expand_all(files) for split, files in named.items() if files is not None}


def all_files(files: Mapping[str, list[Path]]) -> list[Path]:
    """Every file of every split, each once."""
    return list(dict.fromkeys(path for paths in files.values() for path in paths))


def _expand_all(files: Files) -> list[Path]:
    paths = files if isinstance(files, list) else [files]
    found = list(dict.fromkeys(file for one in paths for file in _expand(one)))
    if not found:
        raise CorpusError("a list of files is empty")
    return found


def _expand(path: Path) -> list[Path]:
    if not glob.has_magic(str(path)) or path.exists():
        return [path]
    found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 # Path.glob takes no absolute one
    if not found:
        raise CorpusUnavailable(f"{path}: matches no file")
    files = [Path(name) for name in found if Path(name).is_file() and Path(name).stat().st_size]
    if not files:
        raise CorpusError(f"{path}: matches only folders and empty files")
    return files
