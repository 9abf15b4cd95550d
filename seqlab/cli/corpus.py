"""`seqlab corpus`: describe a corpus, prepare it, and list or clear the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from seqlab.cli import completing
from seqlab.cli.loading import Loading, loading
from seqlab.cli.options import (
    PATH,
    PluginChoice,
    json_option,
    plugin_options,
    print_json,
    print_table,
    root_option,
    set_option,
    text_or_empty,
)
from seqlab.cli.path_types import FILE
from seqlab.cli.streams import err, verbatim
from seqlab.errors import RunFailed

if TYPE_CHECKING:
    from seqlab.data.preparation import Prepared
    from seqlab.registry import Registry, Text

EXPERIMENTS = {".yaml", ".yml"}
COMPRESSED = {".gz", ".zip"}


@click.group("corpus")
def command() -> None:
    """Describe a corpus, prepare it in advance, list or clear the cache."""


@command.command("describe")
@click.argument("file", type=FILE, shell_complete=completing.experiments)
@click.option("--split", default="train", show_default=True, help="The split to describe.")
@click.option(
    "--against",
    metavar="RUN",
    shell_complete=completing.runs,
    help="Report the share of characters that the vocabulary of RUN lacks.",
)
@set_option("tokenizer=bytes")
@json_option
@root_option
@plugin_options
def describe_command(
    file: Path | str,
    split: str,
    against: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Count the documents, characters and tokens of a corpus, and show its first lines.

    FILE is an experiment, or a text in a format that a corpus reads (.txt, .jsonl, …), here or as
    a URL.
    """
    shown = loading(f"reading {file}")
    from seqlab.data.corpus_report import describe

    registry = shown.load(plugins)
    prepared = _prepare(_resolve(file, overrides, registry), shown)
    known = None
    if against is not None:
        from seqlab.runs.loaded_run import open_run

        known = open_run(against, root=root, registry=registry).tokenizer
    facts = describe(prepared, split, known)
    shown.close()
    if as_json:
        print_json(facts)
    else:
        _print_facts(facts)


def _print_facts(facts: Mapping[str, Any]) -> None:
    counts = dict(facts)
    tokens, beginning = counts.pop("most_frequent_tokens"), counts.pop("beginning")
    rows = [(key.replace("_", " "), _format(value)) for key, value in counts.items()]
    print_table(("what", "value"), [row for row in rows if row[1]])
    print_table(
        ("most frequent", "id", "count", "share"),
        [(repr(t["token"]), t["id"], f"{t['count']:,}", f"{t['share']:.2%}") for t in tokens],
    )
    for line in beginning:
        verbatim(line)


def _format(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4%}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else text_or_empty(value)


@command.command("build")
@click.argument("experiment", type=PATH, metavar="FILE", shell_complete=completing.experiments)
@set_option("tokenizer=bytes")
@plugin_options
def build(experiment: Path, overrides: tuple[str, ...], plugins: PluginChoice) -> None:
    """Learn the vocabulary and encode every split of FILE, so that a run starts at once.

    What is in the cache already is not made again.
    """
    shown = loading(f"reading {experiment}")
    from seqlab.data.cache_writing import check_writable

    registry = shown.load(plugins)
    text = _resolve(experiment, overrides, registry)
    check_writable()
    prepared = _prepare(text, shown)
    rows = []
    for split in prepared.source.splits:
        tokens = prepared.split(split)
        size = len(tokens) * tokens.ids.dtype.itemsize
        rows.append((split, f"{len(tokens.documents):,}", f"{len(tokens):,}", _bytes(size)))
    shown.close()
    print_table(("split", "documents", "tokens", "size"), rows)


@command.command("cache")
@click.option("--clear", is_flag=True, help="Remove all entries; a run makes again what it needs.")
@json_option
def cache(clear: bool, as_json: bool) -> None:
    """List the cached token ids, the last used first, and say how large copies of files are."""
    from seqlab.cache_folder import cache_folder
    from seqlab.data import cache_entries

    if clear:
        removed, refusals = cache_entries.clear()
        err(f"Removed {_bytes(removed)} from {cache_folder()}")
        if refusals:
            raise _removal_failed(refusals)
        return
    stores = sorted(cache_entries.stores(), key=lambda store: -store[0].stat().st_mtime)
    facts = [_describe_store(folder, manifest) for folder, manifest in stores]
    if as_json:
        print_json(facts)
        return
    if sizes := list(cache_entries.sizes_of_copies()):
        err(f"Copies of files elsewhere: {len(sizes):,}, {_bytes(sum(sizes))}")
    if facts:
        columns = ("corpus", "split", "tokenizer", "tokens", "size", "last used", "folder")
        print_table(columns, [_row(fact) for fact in facts])
    elif not sizes:
        err(f"The cache is empty: {cache_folder()}")


def _removal_failed(refusals: Sequence[OSError]) -> RunFailed:
    first, more = refusals[0], len(refusals) - 1
    rest = f", and {more:,} more" if more else ""
    return RunFailed(f"{first.filename}: cannot be removed ({first.strerror}){rest}")


def _describe_store(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    used = datetime.fromtimestamp(folder.stat().st_mtime).astimezone()
    return {
        **manifest["about"],
        "tokens": manifest["tokens"],
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "last_used": used.isoformat(timespec="seconds"),
        "folder": str(folder),
    }


def _row(fact: Mapping[str, Any]) -> Sequence[object]:
    names = [fact.get(name, "") for name in ("corpus", "split", "tokenizer")]
    sizes = (f"{fact['tokens']:,}", _bytes(fact["bytes"]))
    return (*names, *sizes, fact["last_used"], fact["folder"])


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _resolve(file: Path | str, overrides: Sequence[str], registry: Registry) -> Text:
    """Read an experiment, or make one of a text: the corpus follows from its suffix."""
    from seqlab.experiment import read_experiment
    from seqlab.registry import resolve_text

    if isinstance(file, Path) and file.suffix.lower() in EXPERIMENTS:
        return resolve_text(read_experiment(file, overrides), registry)
    path = file if isinstance(file, Path) else PurePosixPath(urlsplit(file).path)
    suffixes = [s.lower() for s in path.suffixes if s.lower() not in COMPRESSED]
    name = suffixes[-1].removeprefix(".") if suffixes else ""
    if isinstance(file, Path) and _is_folder(file):
        name = "folder"
    elif name not in {component.name for component in registry.components("corpus")}:
        name = "text"
    where = str(file.absolute()) if isinstance(file, Path) else file
    experiment = {"corpus": {"name": name, "path": where}}
    return resolve_text(read_experiment(experiment, overrides), registry)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no file can have this name; reading it raises a clear error
        return False


def _prepare(text: Text, shown: Loading) -> Prepared:
    from seqlab.data.preparation import prepare

    return prepare(text, progress=shown)
