"""`seqlab generate`: continue prefixes with the model of a run."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli import completing
from seqlab.cli.bytes_out import check_out, write_bytes
from seqlab.cli.loading import Loading, loading
from seqlab.cli.options import (
    NUMBER,
    PATH,
    PluginChoice,
    Whole,
    checkpoint_option,
    json_option,
    option_name,
    plugin_options,
    print_json,
    root_option,
    set_option,
)
from seqlab.cli.streams import is_terminal
from seqlab.errors import UsageError

if TYPE_CHECKING:
    from seqlab.generation.generating import Generated
    from seqlab.runs.loaded_run import Run
    from seqlab.runs.saved_parts import Which

DECODER_OPTIONS = ("temperature", "top_p", "top_k", "greedy", "decoder")


@click.command("generate")
@click.argument("run", shell_complete=completing.runs)
@click.option(
    "-p",
    "--prefix",
    "prefixes",
    multiple=True,
    metavar="TEXT",
    help="A text to continue; repeatable. An empty one: from the end of a document.",
)
@click.option("--unprompted", is_flag=True, help="Begin after the end of a document.")
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
@click.option("--temperature", type=NUMBER, help="What logits are divided by, to draw.")
@click.option("--top-p", type=NUMBER, help="Draw of the likeliest tokens with this probability.")
@click.option("--top-k", type=Whole(1), help="Draw of so many of the likeliest tokens.")
@click.option("--greedy", is_flag=True, help="Always the likeliest token.")
@click.option(
    "--decoder",
    metavar="NAME",
    shell_complete=completing.decoders,
    help="Choose tokens by this decoder.",
)
@set_option("decoder.min_p=0.05", completing.decoder_settings)
@click.option("--no-healing", is_flag=True, help="Keep a prefix that ends within a token.")
@click.option("--allow-unknown", is_flag=True, help="Generate tokens of unknown text, too.")
@click.option("--stream", is_flag=True, help="Print texts as they come.")
@click.option("--out", type=PATH, metavar="FILE", help="Write the bytes of one text; - is stdout.")
@click.option("--no-history", is_flag=True, help="Keep no history of what is typed.")
@checkpoint_option
@json_option
@root_option
@plugin_options
def command(
    run: str,
    prefixes: tuple[str, ...],
    unprompted: bool,
    file: Path | None,
    stop_tokens: tuple[int, ...],
    past_end: bool,
    num: int,
    no_healing: bool,
    stream: bool,
    out: Path | None,
    no_history: bool,
    checkpoint: Which,
    as_json: bool,
    root: Path,
    plugins: PluginChoice,
    **given: Any,
) -> None:
    """Continue prefixes with the model of RUN.

    RUN is a folder, a name (its latest run), a tag, the beginning of an id, `latest`, or the
    address of a run on a model hub, hf://OWNER/NAME. Without a prefix, a terminal starts a session:
    type a text to continue it, /help for what else there is.
    Options of the decoder choose one that has them: --temperature draws.
    """
    unprompted_texts = ("",) if unprompted else ()
    texts = [*prefixes, *unprompted_texts, *(_read_prefixes(file) if file is not None else ())]
    _check_use(texts, stream, as_json)
    if out is not None:
        check_out(out, len(texts) * num, excludes={"--stream": stream, "--json": as_json})
    options = {name: given.pop(name) for name in DECODER_OPTIONS}
    options = {k: v for k, v in options.items() if v is not None and v is not False}
    shown = loading(f"generating from {run}")
    from seqlab.runs.lookup import find_run

    find_run(run, root)  # a misspelt name fails before plugins are loaded
    registry = shown.load(plugins)
    from seqlab.cli.continuing import Settings, print_texts, stream_texts
    from seqlab.runs.loaded_run import open_run

    opened = open_run(run, checkpoint=checkpoint, root=root, registry=registry)
    given["stop_tokens"] = stop_tokens or (() if past_end else None)
    settings = Settings(num, given | {"healing": not no_healing}, options)
    settings.check(opened, word=option_name)
    _load(opened, shown)
    if not texts:
        from seqlab.cli.generate_session import converse

        opened.generate([], **settings.everything)  # wrong ones fail before the first prompt
        shown.close()
        converse(opened, settings, registry, keeps_history=not no_history)
    elif stream:
        shown.close()
        stream_texts(opened, texts, settings)
    else:
        shown("Generating")
        results = opened.generate(texts, **settings.everything)
        shown.close()
        if as_json:
            print_json([_plain(result) for result in results])
        elif out is not None:
            write_bytes(results[0].data, out)
        else:
            print_texts(results)


def _plain(result: Generated) -> dict[str, Any]:
    """A result as JSON has it, which has no bytes."""
    return {name: value for name, value in asdict(result).items() if name != "data"}


def _load(opened: Run, shown: Loading) -> None:
    """Load the model, which is shown step by step."""
    shown("Loading the checkpoint")
    opened.checkpoint  # noqa: B018 # it is loaded when it is first asked for
    shown("Building the model")
    opened.model  # noqa: B018 # likewise


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
        from seqlab.foreign_files import no_utf_8

        told = no_utf_8(path, data)
        raise UsageError(f"{path}: is not UTF-8 (byte {error.start}); {told}") from None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    prefixes = [line for line in lines if line]
    if not prefixes:
        raise UsageError(f"{path}: has no prefix; write one on each line")
    return prefixes
