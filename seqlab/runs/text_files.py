"""A user's own files of text, read as a run reads those of its corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqlab.contracts import Tokenizer, offered
from seqlab.data.splits import TRAIN, open_source
from seqlab.documents import text_pieces

if TYPE_CHECKING:
    from seqlab.runs.loaded_run import Run

TEXT = "text"  # the corpus of one's own files
_READING = ("encoding", "newlines")
_READING_FILES = ("markup", "documents")  # what other corpora call so may be something else
_FILES = (TEXT, "folder")


def section_of(
    run: Run, files: Iterable[Path | str], encoding: str | None = None
) -> dict[str, Any]:
    """Return the corpus of some files, which are read as the files of the run.

    Args:
        run: whose corpus says how files are read. Where it does not say how line breaks are, and
            the vocabulary has none, they are read as spaces.
        files: paths or URLs.
        encoding: of the files; None: as in the run.
    """
    corpus = run.resolved.corpus
    names = _READING + (_READING_FILES if corpus.component.name in _FILES else ())
    reading = {name: corpus.options[name] for name in names if name in corpus.options}
    if "newlines" not in reading and _has(run.tokenizer, " ") and not _has(run.tokenizer, "\n"):
        reading["newlines"] = "space"
    given = {} if encoding is None else {"encoding": encoding}
    return {"name": TEXT, "path": [str(file) for file in files], **reading, **given}


def pieces_of(run: Run, file: Path | str, encoding: str | None = None) -> Iterator[str]:
    """Yield the text of a file in pieces, as one document.

    A line break at its end is left out if the vocabulary of the run has none.

    Raises:
        CorpusError: the file cannot be read.
    """
    section = section_of(run, [file], encoding) | {"documents": "file"}
    source = open_source(run.resolved_with_corpus(section), fingerprint=False)
    pieces = (p for document in source.documents(TRAIN) for p in text_pieces(document))
    return pieces if _has(run.tokenizer, "\n") else _without_last_break(pieces)


def _without_last_break(pieces: Iterator[str]) -> Iterator[str]:
    waiting = ""
    for piece in pieces:
        whole = waiting + piece
        kept = whole.removesuffix("\n").removesuffix("\r")
        waiting = whole[len(kept) :]
        yield kept
    yield waiting.removesuffix("\n").removesuffix("\r")


def _has(tokenizer: Tokenizer, text: str) -> bool:
    """Whether a vocabulary has ids for a text, other than that of unknown text."""
    try:
        ids = [int(token) for token in tokenizer.encode(text)]
    except ValueError:
        return False
    return bool(ids) and offered(tokenizer, "unknown_token") not in ids
