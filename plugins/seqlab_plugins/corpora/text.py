"""Corpora made of text that the user has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from seqlab import Corpus, CorpusError, CorpusUnavailable, Document, hookimpl
from seqlab_plugins.corpora.split_files import SplitFiles, apart, matching, real_paths, unreadable
from seqlab_plugins.corpora.text_files import Newlines, fingerprint, read_pieces


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)  # refuses what is no encoding of text, such as hex
    except LookupError:
        raise ValueError("the name of an encoding, such as utf-8 or gb18030") from None
    return name


Encoding = Annotated[str, AfterValidator(_known_encoding)]


class Text(SplitFiles):
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
        super().__init__(path, valid, test)
        self._read = partial(read_pieces, encoding=encoding, newlines=newlines, member=member)

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
        found = [file for files in self.split_files().values() for file in files]
        return list(dict.fromkeys(found))

    @property
    def held_out(self) -> list[Path]:
        """Files that a link or a second name brings into what is trained."""
        return self._trained()[1]

    def split_files(self) -> dict[str, list[Path]]:
        """The files of each split."""
        return {split: self._found(split) for split in self.splits}

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
        """The files of a split, each once; what another split has as well is not trained."""
        found = self._trained()[0] if split == "train" else list(self._below(split).values())
        if not found:
            folder, wanted = self._places()[split], ", ".join(self._match)
            raise CorpusError(f"{folder}: no file in it matches {wanted}")
        return found

    def _trained(self) -> tuple[list[Path], list[Path]]:
        """The files to train on, and those that another split has too."""
        others = [split for split in self._places() if split != "train"]
        rest = {real: file for split in others for real, file in self._below(split).items()}
        files = apart(self._below("train").values(), rest.values())
        if files[1] and not files[0]:
            folder = self._places()["train"]
            raise CorpusError(f"{folder}: other splits have all its files; none is left to train")
        return files

    def _below(self, split: str) -> dict[Path, Path]:
        """Files by where they really are: in the folder of a split, and in none that is not its."""
        folder, not_its = self._places()[split], self._not_of(split)
        wanted = _globbed(folder, self._match) - _globbed(folder, self._leave_out)
        files = [file for file in sorted(wanted, key=Path.as_posix) if file.is_file()]
        by_place: dict[Path, Path] = {}
        for file, real in real_paths(file for file in files if file.stat().st_size).items():
            if not not_its or not_its.isdisjoint(real.parents):  # many files have as many parents
                by_place.setdefault(real, file)
        return by_place

    def _not_of(self, split: str) -> set[Path]:
        """Folders of other splits: those in the split's own; for train, those elsewhere too.

        A link may lead there. One from `valid` into what is trained holds that file out.
        """
        real = self._real_places()
        own = real[split]
        inside = {place for place in real.values() if own in place.parents}
        return inside if split != "train" else {*real.values()} - {own, *own.parents}

    def _real_places(self) -> dict[str, Path]:
        places = self._places()
        for place in places.values():
            _listed(place)
        return {split: place.resolve() for split, place in places.items()}


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        raise CorpusUnavailable(f"{folder}: there is no such folder") from None
    except NotADirectoryError:
        raise CorpusError(f"{folder}: is a file; `corpus: text` reads single files") from None
    except (OSError, ValueError) as error:
        raise unreadable(folder, error) from None


def _globbed(folder: Path, patterns: list[str]) -> set[Path]:
    try:
        return {file for pattern in patterns for file in matching(folder, pattern)}
    except OSError as error:
        raise unreadable(Path(error.filename or folder), error) from None


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"text": Text, "folder": Folder}
