"""Corpora made of text that the user has."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from seqlab import Corpus, CorpusError, CorpusUnavailable, Document, hookimpl
from seqlab_plugins.split_files import all_files, by_split
from seqlab_plugins.text_files import Newlines, fingerprint, read_pieces


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)  # refuses what is no encoding of text, such as hex
    except LookupError:
        raise ValueError("the name of an encoding, such as utf-8 or gb18030") from None
    return name


Encoding = Annotated[str, AfterValidator(_known_encoding)]


class Text:
    """Text files, one document each.

    Args:
        path: Required: a file, a glob such as texts/*.txt, or a list of these; .gz and .zip are
            unpacked.
        valid: files of the split `valid`, named in the same way.
        test: files of the split `test`.
        encoding: how the bytes are read; any encoding that Python knows.
        newlines: keep them, make them all LF, or make each CR and LF a space.
        member: which file of a zip; null where there is only one.
    """

    def __init__(
        self,
        *,
        path: Path | list[Path],
        valid: Path | list[Path] | None = None,
        test: Path | list[Path] | None = None,
        encoding: Encoding = "utf-8",
        newlines: Newlines = "lf",
        member: str | None = None,
    ) -> None:
        self._files = by_split(path, valid, test)
        self._read = partial(read_pieces, encoding=encoding, newlines=newlines, member=member)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._files)

    @property
    def files(self) -> list[Path]:
        """Everything that is read."""
        return all_files(self._files)

    def documents(self, split: str) -> Iterator[Document]:
        yield from map(self._read, self._files[split])

    def fingerprint(self) -> str:
        return fingerprint(self)


class Folder:
    """The files of a folder and of those in it, one document each, in the order of their paths.

    Empty files, hidden ones and those in hidden folders are left out.

    Args:
        path: Required: the folder.
        match: a glob below the folder, or a list of these; ** stands for any folders.
        leave_out: globs of what is not wanted after all.
        valid: the folder of the split `valid`; if it lies in `path`, its files are not trained.
        test: the folder of the split `test`, likewise.
        by_name: make each folder that lies directly in `path` the split of its name; one of them
            is train.
        encoding: how the bytes are read; any encoding that Python knows.
        newlines: keep them, make them all LF, or make each CR and LF a space.
    """

    def __init__(
        self,
        *,
        path: Path,
        match: str | list[str] = "**/*.txt",
        leave_out: list[str] | None = None,
        valid: Path | None = None,
        test: Path | None = None,
        by_name: bool = False,
        encoding: Encoding = "utf-8",
        newlines: Newlines = "lf",
    ) -> None:
        if by_name and (valid or test):
            raise ValueError("`by_name` takes the splits from `path`; leave out valid and test")
        self._match = [match] if isinstance(match, str) else match
        self._leave_out = leave_out or []
        self._folders = {"train": path, "valid": valid, "test": test}
        self._by_name = by_name
        self._read = partial(read_pieces, encoding=encoding, newlines=newlines)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._places())

    @property
    def files(self) -> list[Path]:
        """Everything that is read."""
        found = [file for split in self.splits for file in self._found(split)]
        return list(dict.fromkeys(found))

    def documents(self, split: str) -> Iterator[Document]:
        yield from map(self._read, self._found(split))

    def fingerprint(self) -> str:
        return fingerprint(self)

    def _places(self) -> dict[str, Path]:
        """The folder of each split."""
        if not self._by_name:
            return {split: folder for split, folder in self._folders.items() if folder}
        whole = self._folders["train"]
        assert whole is not None  # noqa: S101 # it has no default
        folders = [f for f in _listed(whole) if f.is_dir() and not f.name.startswith(".")]
        named = {folder.name: folder for folder in sorted(folders)}
        if "train" not in named:
            has = ", ".join(named) or "none"
            raise CorpusError(f"{whole}: has no folder 'train' (its folders: {has})")
        return {"train": named.pop("train"), **named}

    def _found(self, split: str) -> list[Path]:
        places = self._places()
        folder = places[split]
        held_out = [place for place in places.values() if folder in place.parents]
        _listed(folder)
        wanted = _globbed(folder, self._match) - _globbed(folder, self._leave_out)
        files = [folder / name for name in sorted(wanted)]
        files = [f for f in files if not any(place in f.parents for place in held_out)]
        files = [file for file in files if file.is_file() and file.stat().st_size]
        if not files:
            raise CorpusError(f"{folder}: no file in it matches {', '.join(self._match)}")
        return files


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        raise CorpusUnavailable(f"{folder}: there is no such folder") from None
    except NotADirectoryError:
        raise CorpusError(f"{folder}: is a file; `corpus: text` reads single files") from None
    except OSError as error:
        raise CorpusError(f"{folder}: cannot be read ({error.strerror})") from None


def _globbed(folder: Path, patterns: list[str]) -> set[str]:
    """Paths below a folder, with slashes, so that their order is the same everywhere."""
    found: set[str] = set()
    for pattern in patterns:
        names = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207 # hides hidden files
        found.update(Path(name).as_posix() for name in names)
    return found


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"text": Text, "folder": Folder}
