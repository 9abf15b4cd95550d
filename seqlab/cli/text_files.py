"""Files of text as arguments: their encoding, stdin as one of them, and what is wrong with them."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from seqlab.cli.remedies import as_options_of_texts
from seqlab.errors import CorpusError, UsageError
from seqlab.remedies import worded

_STDIN = Path("/dev/stdin")


class EncodingType(click.ParamType[str]):
    """The name of an encoding of text."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            "".encode(value)  # refuses codecs that are not of text, such as hex
        except LookupError:
            raise UsageError(
                f"--encoding: there is no encoding {value!r}, such as gb18030"
            ) from None
        return str(value)


encoding_option = click.option(
    "--encoding", type=EncodingType(), help="Of the file.  [default: as in the run]"
)


@contextmanager
def told_of_files(
    files: Sequence[Path | str], option: str = "", *, copy: Path | None = None
) -> Iterator[None]:
    """Tell what is wrong with files as it is for who gave them, not for who wrote an experiment.

    Args:
        files: what the user gave; one alone is named if the error does not name it.
        option: the option of which they are the values.
        copy: the file that is read in place of the one that was given.
    """
    try:
        with worded(as_options_of_texts):
            yield
    except CorpusError as error:
        cause = error.__cause__
        told = str(cause if isinstance(cause, CorpusError) else error)
        if len(files) == 1:
            name = str(files[0])
            told = told.replace(str((copy or Path(name)).absolute()), name)
            told = told if name in told else f"{name}: {told}"
        raise type(error)(f"{option} {told}".lstrip()) from None


@contextmanager
def stdin_as_file() -> Iterator[Path]:
    """Give the path of stdin, or that of a copy if it cannot be opened anew from its start."""
    descriptor = sys.stdin.fileno()
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode) and os.access(_STDIN, os.R_OK):
        yield _STDIN
        return
    with tempfile.NamedTemporaryFile(prefix="seqlab-stdin-") as copy:
        with open(descriptor, "rb", closefd=False) as source:
            shutil.copyfileobj(source, copy)
        copy.flush()
        yield Path(copy.name)
