"""`seqlab generate`: continue prefixes with the model of a run."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli.loading import Loading, loading
from seqlab.cli.memory_errors import memory_errors
from seqlab.cli.options import (
    PATH,
    PluginChoice,
    Whole,
    checkpoint_option,
    json_option,
    plugin_options,
    print_json,
    root_option,
    set_option,
)
from seqlab.cli.streams import err, generated, is_terminal, out
from seqlab.errors import UsageError
from seqlab.printable import one_line

if TYPE_CHECKING:
    from seqlab.runs.loaded_run import Run
    from seqlab.runs.saved_parts import Which


@click.command("generate")
@click.argument("run")
@click.option("-p", "--prefix", "prefixes", multiple=True, help="A text to continue; repeatable.")
@click.option(
    "--prefixes-file",
    "file",
    type=PATH,
    metavar="FILE",
    help="One prefix on each line; - is stdin.",
)
@click.option(
    "--length",
    type=Whole(1, 1_000_000),
    default=50,
    show_default=True,
    help="The most tokens to generate after a prefix.",
)
@click.option(
    "--num",
    type=Whole(1, 100_000),
    default=1,
    show_default=True,
    metavar="N",
    help="Continuations of each prefix: N samples, or the N best of a search.",
)
@click.option("--seed", type=Whole(0, 2**63 - 1), default=0, help="For decoders that sample.")
@click.option("--stop", multiple=True, metavar="TEXT", help="End before this text; repeatable.")
@click.option(
    "--stop-token",
    "stop_tokens",
    type=Whole(0, 2**31),
    multiple=True,
    metavar="ID",
    help="End with this token; repeatable. Default: the end-of-document token, if any.",
)
@click.option("--past-end", is_flag=True, help="Continue past the end of a document.")
@set_option("decoder=sample or decoder.temperature=0.8")
@click.option("--stream", is_flag=True, help="Print texts as they come.")
@checkpoint_option
@json_option
@root_option
@plugin_options
def command(
    run: str,
    prefixes: tuple[str, ...],
    file: Path | None,
    stop_tokens: tuple[int, ...],
    past_end: bool,
    num: int,
    stream: bool,
    checkpoint: Which,
    as_json: bool,
    root: Path,
    plugins: PluginChoice,
    **settings: Any,
) -> None:
    """Continue prefixes with the model of RUN.

    RUN is a folder, a name (its latest run), a tag, the beginning of an id, or `latest`. Without a
    prefix, the terminal asks for prefixes: Ctrl-C ends a continuation, Ctrl-D the command.
    """
    texts = [*prefixes, *(_read_prefixes(file) if file is not None else ())]
    _check_use(texts, stream, as_json)
    shown = loading(f"generating from {run}")
    from seqlab.runs.lookup import find_run

    find_run(run, root)  # a misspelt name fails before plugins are loaded
    registry = shown.load(plugins)
    from seqlab.runs.loaded_run import open_run

    opened = open_run(run, checkpoint=checkpoint, root=root, registry=registry)
    settings["stop_tokens"] = stop_tokens or (() if past_end else None)
    with memory_errors("generating", *_smaller(texts, num, settings["length"])):
        _load(opened, shown)
        if not texts:
            opened.generate([], num=num, **settings)  # wrong settings fail before the first prompt
            shown.close()
            _prompt(opened, num, settings)
        elif stream:
            shown.close()
            _stream_all(opened, texts, num, settings)
        else:
            shown("Generating")
            results = opened.generate(texts, num=num, **settings)
            shown.close()
            if as_json:
                print_json([asdict(result) for result in results])
            for result in () if as_json else results:
                generated(result.text)


def _load(opened: Run, shown: Loading) -> None:
    """Load the model, which is shown step by step."""
    shown("Loading the checkpoint")
    opened.checkpoint  # noqa: B018 # it is loaded when it is first asked for
    shown("Building the model")
    opened.model  # noqa: B018 # likewise


def _smaller(texts: list[str], num: int, length: int) -> list[str]:
    """What lowers the memory that generating takes."""
    several = [f"give fewer prefixes at once ({len(texts):,} now)"] if len(texts) > 1 else []
    return [f"lower --num ({num:,})", *several, f"lower --length ({length:,})"]


def _check_use(prefixes: list[str], stream: bool, as_json: bool) -> None:
    if stream and as_json:
        raise UsageError("--stream and --json exclude each other: choose one")
    if not prefixes and (as_json or not is_terminal(sys.stdin)):
        raise UsageError("no prefix: give --prefix TEXT, or --prefixes-file FILE (- is stdin)")


def _read_prefixes(path: Path) -> list[str]:
    if str(path) == "-" and sys.stdin is None:
        raise UsageError(f"{path}: stdin is closed")
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 (byte {error.start})") from None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    prefixes = [line for line in lines if line]
    if not prefixes:
        raise UsageError(f"{path}: has no prefix; write one on each line")
    return prefixes


def _stream_all(opened: Run, texts: list[str], num: int, settings: dict[str, Any]) -> None:
    """Print texts one below another, while all of them are generated together.

    The first one that has not ended is shown as it comes; of those behind it, what is there waits.
    """
    pieces = opened.stream(texts, num=num, **settings)
    waiting = [[_decoded(opened, prefix)] for prefix in texts for _ in range(num)]
    ended, shown = [False] * len(waiting), 0
    generated(waiting[0].pop(), end="")
    for index, piece in pieces:
        ended[index] |= not piece
        waiting[index].append(piece)
        while index == shown < len(waiting):
            generated("".join(waiting[shown]), end="")
            waiting[shown].clear()
            if not ended[shown]:
                break
            out()
            index = shown = shown + 1


def _decoded(opened: Run, prefix: str) -> str:
    """A prefix as its tokens say it."""
    from seqlab.data.tokens import decode
    from seqlab.generation.prefixes import encode_prefix

    return decode(opened.tokenizer, encode_prefix(opened.tokenizer, prefix))


def _stream(opened: Run, prefix: str, repeat: int, settings: dict[str, Any]) -> None:
    pieces = opened.stream(prefix, repeat=repeat, **settings)
    generated(_decoded(opened, prefix), end="")
    for piece in pieces:
        generated(piece, end="")
    out()


def _prompt(opened: Run, num: int, settings: dict[str, Any]) -> None:
    """Continue each line that is typed; a sampler continues a repeated prefix in another way."""
    from seqlab.contracts import SearchDecoder

    with suppress(ImportError):  # makes lines editable where it exists
        import readline  # noqa: F401
    searches = isinstance(opened.decoder_with(settings["overrides"]), SearchDecoder)
    seen: Counter[str] = Counter()
    while (prefix := _next_prefix()) is not None:
        try:
            for number in range(num if prefix else 0):
                _stream(opened, prefix, number if searches else seen[prefix], settings)
                seen[prefix] += 1
        except UsageError as error:
            err(f"seqlab: {one_line(str(error))}")
        except KeyboardInterrupt:
            out()


def _next_prefix() -> str | None:
    """The next line; None at the end."""
    while True:
        try:
            if is_terminal(sys.stdout):
                return input("> ")
            err("> ", end="")
            return input()
        except KeyboardInterrupt:
            err()
        except EOFError:
            err()
            return None
