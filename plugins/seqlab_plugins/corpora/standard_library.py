"""The sources of Python's standard library: real code that comes with Python."""

from __future__ import annotations

import hashlib
import os
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

from seqlab import Corpus, CorpusError, CorpusUnavailable, Share, hookimpl
from seqlab_plugins.corpora.split_files import unreadable
from seqlab_plugins.corpora.text_files import fingerprint

FOREIGN = frozenset({"site-packages", "dist-packages", "__pycache__"})
TESTS = frozenset({"test", "tests", "idle_test"})


class StandardLibrary:
    """The modules of Python's standard library, one document a file, in the order of their paths.

    A hash of its path decides the split of a file, so the split is the same in every version of
    Python; the text and the fingerprint are those of the running Python. Files are decoded by the
    encoding that they declare. Only empty files are left out, and those that are not in their
    encoding, as a few of Python's tests are on purpose.

    Args:
        with_tests: include the tests of the library, which double the text.
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
        self._folder = Path(sysconfig.get_path("stdlib"))

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
        """All files, each once."""
        return [self._folder / name for name in self._names()]

    def _names(self) -> list[str]:
        """Paths relative to the folder, with slashes, sorted by code points."""
        return sorted(path.as_posix() for path in _sources(self._folder, self._left_out))

    def _split(self, name: str) -> str:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        share = int.from_bytes(digest[:4], "big") / 2**32
        valid, test = self._ends
        return "valid" if share < valid else "test" if share < test else "train"


def _sources(folder: Path, left_out: frozenset[str]) -> Iterator[Path]:
    for path, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if name not in left_out]
        here = Path(path).relative_to(folder)
        yield from (here / name for name in files if name.endswith(".py"))


def _refuse(error: OSError) -> None:
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    kind = CorpusUnavailable if missing else CorpusError
    raise kind(f"{error.filename}: cannot be read ({error.strerror})") from None


def _read(path: Path) -> str | None:
    """The text with LF as newline; None: the file is not in its encoding."""
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (SyntaxError, UnicodeDecodeError):  # of the declaration; of what follows
        return None
    except OSError as error:
        raise unreadable(path, error) from None


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"standard_library": StandardLibrary}
