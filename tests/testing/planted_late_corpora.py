"""Corpora with one mistake each that shows only in folders, filters or a second look."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from seqlab import CorpusUnavailable


def sha256(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class Folder:
    """Text files below a folder, one document each; the last line of each is for validation.

    Args:
        folder: the folder.
        pattern: which files.
        shortest: how many characters a line has at least; shorter ones are left out.
    """

    splits = ("train", "valid")

    def __init__(
        self, *, folder: Path = Path("texts"), pattern: str = "*.txt", shortest: int = 0
    ) -> None:
        self.folder, self.pattern, self.shortest = folder, pattern, shortest

    @property
    def files(self):
        return self.found()

    def found(self):
        if not self.folder.is_dir():
            raise CorpusUnavailable(f"{self.folder}: is not there")
        return sorted(self.folder.rglob(self.pattern))

    def read(self, path):
        return path.read_text("utf-8")

    def lines(self, path):
        lines = self.read(path).splitlines(keepends=True)
        return [line for line in lines if len(line) > self.shortest]

    def documents(self, split):
        for path in self.found():
            lines = self.lines(path)
            yield "".join(lines[-1:] if split == "valid" else lines[:-1])

    def fingerprint(self):
        return sha256(*(list(self.documents(split)) for split in self.splits))


class FingerprintIgnoresTheFilter(Folder):
    """Hashes the files, and not which of their lines are read."""

    def fingerprint(self):
        return sha256([path.read_bytes() for path in self.found()])


class FingerprintOfTheUpperFolder(Folder):
    """Reads the files of all subfolders, and hashes those of the folder itself."""

    def fingerprint(self):
        self.found()
        return sha256([self.lines(path) for path in sorted(self.folder.glob(self.pattern))])


class FingerprintOfNamesAndSizes(Folder):
    """As quick as a listing of the folder."""

    def fingerprint(self):
        sizes = [(path.name, path.stat().st_size) for path in self.found()]
        return sha256(sizes, self.pattern, self.shortest)


class FingerprintHasTheFolder(Folder):
    """Another one, if the same folder lies elsewhere."""

    def fingerprint(self):
        return sha256(str(self.folder.absolute()), super().fingerprint())


class FilesOfTheUpperFolder(Folder):
    """Says that only the files of the folder itself are read."""

    @property
    def files(self):
        return sorted(self.folder.glob(self.pattern))


class MissingFolderIsEmpty(Folder):
    """A pattern matches nothing in a folder that is not there, and nobody says so."""

    def found(self):
        return sorted(self.folder.rglob(self.pattern))

    def documents(self, split):
        yield from super().documents(split)
        if not self.found():
            yield "nothing\n"


@lru_cache
def text_of(path):
    return path.read_text("utf-8")


class ReadsAFileOnce(Folder):
    """Keeps what was read under its path, and so does not see that it changed."""

    def read(self, path):
        return text_of(path.absolute())


class FingerprintInAnyOrder(Folder):
    """Sorts the lines of all documents before it hashes them."""

    def fingerprint(self):
        found = [sorted("".join(self.documents(s)).splitlines()) for s in self.splits]
        return sha256(found)
