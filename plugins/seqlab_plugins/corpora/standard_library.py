"""Python's own sources: a corpus of real code that is there wherever Python is."""

from __future__ import annotations

import hashlib
import os
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from seqlab import Corpus, CorpusError, CorpusUnavailable, hookimpl
from seqlab_plugins.corpora.text_files import fingerprint

Share = Annotated[float, Field(ge=0, lt=1)]

FOREIGN = frozenset({"site-packages", "dist-packages", "__pycache__"})
TESTS = frozenset({"test", "tests", "idle_test"})


class StandardLibrary:
    """The modules of Python's standard library, one document a file, in the order of their paths.

    A file falls to its split by a hash of its path, so it stays there in every version of Python;
    the text itself, and with it the fingerprint, is that of the Python that runs. Files are read as
    Python reads them, by the encoding that they declare. Empty ones are left out, and so are those
    that are not in their encoding (a few of Python's tests are so on purpose), and no others.

    Args:
        with_tests: take the library's own tests too, which are as much text again.
        valid: share of the files that is the split `valid`.
        test: share of the files that is the split `test`.
    """

    def __init__(
        self, *, with_tests: bool = False, valid: Share = 0.05, test: Share = 0.05
    ) -> None:
        if valid + test >= 1:
            raise ValueError("valid and test leave nothing to train on")
        self._ends = (valid, valid + test)
        shares = {"train": 1.0, "valid": valid, "test": test}
        self.splits = tuple(name for name, share in shares.items() if share)
        self._left_out = FOREIGN if with_tests else FOREIGN | TESTS
        self._folder = _folder()

    def documents(self, split: str) -> Iterator[str]:
        for name in self._names():
            if self._split(name) == split:
                text = _read(self._folder / name)
                if text:
                    yield text

    def fingerprint(self) -> str:
        if not self._names():
            raise CorpusUnavailable(
                f"{self._folder}: this Python was installed without the sources of its library"
            )
        return fingerprint(self)

    @property
    def files(self) -> list[Path]:
        """Everything that is read."""
        return [self._folder / name for name in self._names()]

    def _names(self) -> list[str]:
        """Paths below the folder, with slashes, in the order of their code points."""
        return sorted(path.as_posix() for path in _sources(self._folder, self._left_out))

    def _split(self, name: str) -> str:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        place = int.from_bytes(digest[:4], "big") / 2**32
        valid, test = self._ends
        return "valid" if place < valid else "test" if place < test else "train"


def _folder() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _sources(folder: Path, left_out: frozenset[str]) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if name not in left_out]
        here = Path(place).relative_to(folder)
        yield from (here / name for name in files if name.endswith(".py"))


def _refuse(error: OSError) -> None:
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    kind = CorpusUnavailable if missing else CorpusError
    raise kind(f"{error.filename}: cannot be read ({error.strerror})") from None


def _read(path: Path) -> str | None:
    """Return the text with each line ended by LF; None: it is not in its encoding."""
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (SyntaxError, UnicodeDecodeError):  # of the declaration; of what follows
        return None
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror})") from None


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"standard_library": StandardLibrary}
