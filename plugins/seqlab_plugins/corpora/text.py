"""Corpora of the user's own text files."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from seqlab import Corpus, CorpusError, CorpusUnavailable, Document, LocalFolder, hookimpl
from seqlab.foreign_files import kind_of_markup
from seqlab.remedies import OptionValue
from seqlab_plugins.corpora.document_ends import Ends, WatchedEnds, split_documents
from seqlab_plugins.corpora.split_files import (
    Files,
    SplitFiles,
    matching,
    real_paths,
    split_off,
    unreadable,
    what_is_there,
)
from seqlab_plugins.corpora.text_files import (
    Newlines,
    fingerprint,
    read_pieces,
    replace_newlines,
)


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)  # refuses codecs that are not of text, such as hex
    except LookupError:
        raise ValueError("the name of an encoding, such as utf-8 or gb18030") from None
    return name


Encoding = Annotated[str, AfterValidator(_known_encoding)]


def _documents(
    path: Path, *, ends: Ends, newlines: Newlines, markup: bool, **how: Any
) -> Generator[Document, None, bool]:
    """The documents of a file. Ends are looked for before line breaks become spaces.

    Returns whether there is one.
    """
    first = "lf" if newlines == "space" and ends != "file" else newlines
    pieces = read_pieces(path, newlines=first, **how)
    documents = split_documents(pieces if markup else _plain(pieces, path), ends)
    if first == newlines:
        return (yield from documents)
    while True:
        try:
            document = next(documents)
        except StopIteration as end:
            return bool(end.value)
        yield replace_newlines(document, newlines)


def _plain(pieces: Iterator[str], path: Path) -> Iterator[str]:
    """The pieces of a text, which is refused if it is a web page or the like."""
    is_first = True
    for piece in pieces:
        if is_first and (kind := kind_of_markup(path, piece)):
            raise CorpusError(f"{path}: is {kind}; {OptionValue('markup', 'true')} keeps its tags")
        is_first = is_first and not piece
        yield piece


class Text(SplitFiles):
    """Text files, one document each, or cut into documents.

    Args:
        path: Required: a file, a glob such as texts/*.txt, or a list of these; .gz and .zip are
            decompressed.
        valid: files of the split `valid`.
        test: files of the split `test`.
        encoding: the encoding of the files, any that Python knows.
        newlines: keep them, replace them by LF, or replace each CR and LF by a space.
        documents: what a document is: a `file`, a `line`, what stands between blank lines
            (`blank_line`), or between a text of yours, such as <|endoftext|>; empty ones are left
            out.
        member: the file in a zip; null if there is only one.
        markup: whether to read web pages (HTML) and rich text (RTF) as they are, with their tags,
            instead of refusing them.
    """

    def __init__(
        self,
        *,
        path: Files,
        valid: Files | None = None,
        test: Files | None = None,
        encoding: Encoding = "utf-8",
        newlines: Newlines = "lf",
        documents: Ends = "file",
        member: str | None = None,
        markup: bool = False,
    ) -> None:
        super().__init__(path, valid, test)
        self._ends = WatchedEnds(documents)
        self._read = partial(
            _documents,
            ends=documents,
            newlines=newlines,
            encoding=encoding,
            member=member,
            markup=markup,
        )

    def documents(self, split: str) -> Iterator[Document]:
        return self._ends.documents(split, self._files[split], self._read)

    def fingerprint(self) -> str:
        return fingerprint(self)


class Folder:
    """The files in a folder and its subfolders, one document each, sorted by their paths.

    Empty files, hidden ones and those in hidden folders are left out.

    Args:
        path: Required: the folder.
        match: a glob below the folder, or a list of these; ** matches any folders.
        leave_out: globs of files to leave out.
        valid: the folder of the split `valid`; if it is in `path`, its files are not trained.
        test: the folder of the split `test`, likewise.
        by_name: make each folder directly in `path` the split of its name; one of them is train.
        encoding: the encoding of the files, any that Python knows.
        newlines: keep them, replace them by LF, or replace each CR and LF by a space.
        documents: what a document is: a `file`, a `line`, what stands between blank lines
            (`blank_line`), or between a text of yours, such as <|endoftext|>.
        markup: whether to read web pages (HTML) and rich text (RTF) as they are, with their tags,
            instead of refusing them.
    """

    def __init__(
        self,
        *,
        path: LocalFolder,
        match: str | list[str] = "**/*.txt",
        leave_out: list[str] | None = None,
        valid: LocalFolder | None = None,
        test: LocalFolder | None = None,
        by_name: bool = False,
        encoding: Encoding = "utf-8",
        newlines: Newlines = "lf",
        documents: Ends = "file",
        markup: bool = False,
    ) -> None:
        if by_name and (valid or test):
            raise ValueError("`by_name` takes the splits from `path`; leave out valid and test")
        self._match = [match] if isinstance(match, str) else match
        self._leave_out = leave_out or []
        self._folders = {"train": path, "valid": valid, "test": test}
        self._by_name = by_name
        self._ends = WatchedEnds(documents)
        self._read = partial(
            _documents, ends=documents, newlines=newlines, encoding=encoding, markup=markup
        )

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._split_folders())

    @property
    def files(self) -> list[Path]:
        """All files, each once."""
        return list(dict.fromkeys(f for files in self.split_files().values() for f in files))

    @property
    def held_out(self) -> list[Path]:
        """Files that are not trained, as a link or a second name brings them into another split."""
        return self._trained()[1]

    def split_files(self) -> dict[str, list[Path]]:
        """The files of each split."""
        return {split: self._split_paths(split) for split in self.splits}

    def documents(self, split: str) -> Iterator[Document]:
        yield from self._ends.documents(split, self._split_paths(split), self._read)

    def fingerprint(self) -> str:
        return fingerprint(self)

    def _split_folders(self) -> dict[str, Path]:
        """The folder of each split."""
        if not self._by_name:
            return {split: folder for split, folder in self._folders.items() if folder}
        parent = self._folders["train"]
        assert parent is not None  # noqa: S101 # it has no default
        folders = [f for f in _entries(parent) if f.is_dir() and not f.name.startswith(".")]
        by_name = {folder.name: folder for folder in sorted(folders)}
        if "train" not in by_name:
            names = ", ".join(by_name) or "none"
            raise CorpusError(f"{parent}: has no folder 'train' (its folders: {names})")
        return {"train": by_name.pop("train"), **by_name}

    def _split_paths(self, split: str) -> list[Path]:
        """The files of a split, each once; those of another split are not trained."""
        files = self._trained()[0] if split == "train" else self._below(split)
        if not files:
            folder, globs = self._split_folders()[split], ", ".join(self._match)
            there = what_is_there(folder)
            raise CorpusError(f"{folder}: no file in it matches {globs} (`match: GLOB`); {there}")
        return files

    def _trained(self) -> tuple[list[Path], list[Path]]:
        """The files to train on, and those that another split has too."""
        scored = [f for split in self.splits if split != "train" for f in self._below(split)]
        trained, held_out = split_off(self._below("train"), scored)
        if held_out and not trained:
            folder = self._split_folders()["train"]
            raise CorpusError(f"{folder}: all files belong to other splits; none is left to train")
        return trained, held_out

    def _below(self, split: str) -> list[Path]:
        """The files of a split's folder, each once, without those in folders of other splits."""
        folder, foreign = self._split_folders()[split], self._foreign_folders(split)
        matches = _glob(folder, self._match) - _glob(folder, self._leave_out)
        files = [file for file in sorted(matches, key=Path.as_posix) if file.is_file()]
        by_path: dict[Path, Path] = {}
        for file, real in real_paths(file for file in files if file.stat().st_size).items():
            if not foreign or foreign.isdisjoint(real.parents):  # skip the slow check if possible
                by_path.setdefault(real, file)
        return list(by_path.values())

    def _foreign_folders(self, split: str) -> set[Path]:
        """Folders of other splits that are in a split's own; for train, those elsewhere too.

        A link may lead there. One from `valid` into the training files holds that file out.
        """
        folders = self._split_folders()
        for folder in folders.values():
            _entries(folder)
        real = {name: folder.resolve() for name, folder in folders.items()}
        own = real[split]
        inside = {folder for folder in real.values() if own in folder.parents}
        return inside if split != "train" else {*real.values()} - {own, *own.parents}


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        raise CorpusUnavailable(f"{folder}: there is no such folder") from None
    except NotADirectoryError:
        raise CorpusError(f"{folder}: is a file; `corpus: text` reads single files") from None
    except (OSError, ValueError) as error:
        raise unreadable(folder, error) from None


def _glob(folder: Path, patterns: list[str]) -> set[Path]:
    try:
        return {file for pattern in patterns for file in matching(folder, pattern)}
    except OSError as error:
        raise unreadable(Path(error.filename or folder), error) from None


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"text": Text, "folder": Folder}
