"""`seqlab score`: how surprising each token of a text is to the model of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqlab.cli import completing
from seqlab.cli.loading import loading
from seqlab.cli.options import (
    PluginChoice,
    checkpoint_option,
    json_option,
    plugin_options,
    root_option,
)
from seqlab.cli.streams import has_colors, is_terminal
from seqlab.cli.text_files import encoding_option, stdin_as_file, told_of_files
from seqlab.errors import UsageError
from seqlab.memory_remedies import MemoryRemedies

if TYPE_CHECKING:
    from seqlab.runs.loaded_run import Run
    from seqlab.runs.saved_parts import Which


@click.command("score")
@click.argument("run", shell_complete=completing.runs)
@click.argument("text", metavar="TEXT|FILE|-")
@click.option("--text", "is_text", is_flag=True, help="It is a text, though a file has that name.")
@encoding_option
@click.option("--table", is_flag=True, help="A line for each token, also on a terminal.")
@checkpoint_option
@json_option
@root_option
@plugin_options
def command(
    run: str,
    text: str,
    is_text: bool,
    encoding: str | None,
    table: bool,
    checkpoint: Which,
    as_json: bool,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Show the surprisal of each token of a text to the model of RUN, in nats.

    The text is given as it is, as a FILE, or on stdin (-); these two are read as the run reads its
    own files. A terminal shows it in colours, from expected to surprising; elsewhere each token has
    a line: surprisal, id and text, with tabs.
    """
    file = None if is_text else _file(text)
    shown = loading(f"scoring with {run}")
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root)
    registry = shown.load(plugins)
    from seqlab.cli.surprisal import as_json as print_as_json
    from seqlab.cli.surprisal import print_inline, print_lines
    from seqlab.generation.scoring import score_tokens
    from seqlab.runs.loaded_run import open_run

    opened = open_run(folder.path, checkpoint=checkpoint, registry=registry)
    memory = MemoryRemedies("scoring a text", "use another device (train.device)")
    with memory, _pieces(opened, text, file, encoding) as pieces:
        shown("Loading the checkpoint")
        opened.checkpoint  # noqa: B018 # it is loaded when it is first asked for
        shown("Building the model")
        opened.model  # noqa: B018 # likewise
        shown("Scoring")
        tokens = score_tokens(opened.model, opened.tokenizer, pieces)
        first = list(islice(tokens, 2))
        if len(first) < 2:
            raise UsageError(f"a text to score needs at least 2 tokens; this one has {len(first)}")
        shown.close()
        everything = chain(first, tokens)
        if as_json:
            print_as_json(opened, everything)
        elif has_colors(sys.stdout) and not table:
            print_inline(opened, everything)
        else:
            print_lines(opened, everything)


def _file(text: str) -> Path | None:
    """The file that is named; None: it is a text."""
    if not text:
        return None
    if text == "-":
        if sys.stdin is None or is_terminal(sys.stdin):
            raise UsageError("-: stdin has no text; pipe it, or give TEXT or FILE")
        return Path(text)
    path = Path(text)
    if _exists(path):
        if path.is_dir():
            raise UsageError(f"{text}: is a folder; give a file")
        return path
    if path.suffix and not any(map(str.isspace, text)) and len(path.suffix) <= 5:
        raise UsageError(f"{text}: no such file; with --text it is scored as a text")
    return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return False


@contextmanager
def _pieces(
    run: Run, text: str, file: Path | None, encoding: str | None
) -> Iterator[Iterator[str]]:
    """Give the text, or the content of the file, as it is read."""
    if file is None:
        yield iter([text])
        return
    from seqlab.runs.text_files import pieces_of

    opened = stdin_as_file() if text == "-" else nullcontext(file)
    with opened as path, told_of_files([text], copy=path):
        yield pieces_of(run, path, encoding)
