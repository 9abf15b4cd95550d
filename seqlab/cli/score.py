"""`seqlab score`: how surprising each token of a text is to the model of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
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
from seqlab.errors import UsageError
from seqlab.memory_remedies import MemoryRemedies

if TYPE_CHECKING:
    from seqlab.runs.saved_parts import Which

BLOCK = 1 << 18  # characters of a file that are read at once


@click.command("score")
@click.argument("run", shell_complete=completing.runs)
@click.argument("text", metavar="TEXT|FILE|-")
@click.option("--text", "is_text", is_flag=True, help="It is a text, though a file has that name.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of a file, and of stdin.")
@click.option("--table", is_flag=True, help="A line for each token, also on a terminal.")
@checkpoint_option
@json_option
@root_option
@plugin_options
def command(
    run: str,
    text: str,
    is_text: bool,
    encoding: str,
    table: bool,
    checkpoint: Which,
    as_json: bool,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Show the surprisal of each token of a text to the model of RUN, in nats.

    The text is given as it is, as a FILE, or on stdin (-). A terminal shows it in colours, from
    expected to surprising; elsewhere each token has a line: surprisal, id and text, with tabs.
    """
    pieces = _pieces(text, is_text, encoding)
    shown = loading(f"scoring with {run}")
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root)
    registry = shown.load(plugins)
    from seqlab.cli.surprisal import as_json as print_as_json
    from seqlab.cli.surprisal import print_inline, print_lines
    from seqlab.generation.scoring import score_tokens
    from seqlab.runs.loaded_run import open_run

    opened = open_run(folder.path, checkpoint=checkpoint, registry=registry)
    with MemoryRemedies("scoring a text", "use another device (train.device)"):
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


def _pieces(text: str, is_text: bool, encoding: str) -> Iterator[str]:
    """The text, or the content of the file that is named, as it is read."""
    if is_text or not text:
        return iter([text])
    if text == "-":
        if sys.stdin is None or is_terminal(sys.stdin):
            raise UsageError("-: stdin has no text; pipe it, or give TEXT or FILE")
        return _read(None, encoding)
    path = Path(text)
    if _is_file(path):
        return _read(path, encoding)
    if path.suffix and not any(map(str.isspace, text)) and len(path.suffix) <= 5:
        raise UsageError(f"{text}: no such file; with --text it is scored as a text")
    return iter([text])


def _is_file(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return False


def _read(path: Path | None, encoding: str) -> Iterator[str]:
    """The text of a file, or of stdin, with its newlines as LF.

    Raises:
        UsageError: it cannot be read, or has another encoding.
    """
    where = "-" if path is None else str(path)
    name = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
    source = sys.stdin.fileno() if path is None else path
    try:
        with open(source, encoding=name, closefd=path is not None) as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as error:
        raise UsageError(f"{where}: {error.strerror or error}") from None
    except LookupError:
        raise UsageError(
            f"--encoding: there is no encoding {encoding!r}, such as gb18030"
        ) from None
    except UnicodeError:
        raise UsageError(f"{where}: is not {encoding}; give its --encoding") from None
