"""Corpora made of text that the user has."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from seqlab import Corpus, CorpusError, CorpusUnavailable, Document, hookimpl
from seqlab_plugins.text_files import Newlines, fingerprint, read_pieces


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)  # refuses what is no encoding of text, such as hex
    except LookupError:
        raise ValueError("the name of an encoding, such as utf-8 or gb18030") from None
    return name


class Text:
    """Text files, one document each.

    Args:
        path: Required: a file, a glob such as texts/*.txt, or a list of these; .gz and .zip are
            unpacked.
        encoding: how the bytes are read; any encoding that Python knows.
        newlines: keep them, make them all LF, or make each CR and LF a space.
        member: which file of a zip; null where there is only one.
    """

    splits = ("train",)

    def __init__(
        self,
        *,
        path: Path | list[Path],
        encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8",
        newlines: Newlines = "lf",
        member: str | None = None,
    ) -> None:
        paths = path if isinstance(path, list) else [path]
        self.paths = list(dict.fromkeys(file for one in paths for file in _expand(one)))
        self._read = partial(read_pieces, encoding=encoding, newlines=newlines, member=member)

    def documents(self, split: str) -> Iterator[Document]:
        yield from map(self._read, self.paths)

    def fingerprint(self) -> str:
        return fingerprint(map(self._read, self.paths))


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


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"text": Text}
