"""What a shell may complete: runs, checkpoints, experiments, their keys and values, plugins.

Each function is the `shell_complete` of a parameter. They import neither torch nor a plugin: what
plugins offer is known from the cache, and a plugin that it does not know is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from seqlab.experiment import Experiment
    from seqlab.registry import Registry
    from seqlab.registry.choices import Choice, Place
    from seqlab.runs.folder import RunFolder

EXPERIMENTS = (".yaml", ".yml")


Items: TypeAlias = "list[CompletionItem[str]]"


class _Word(NamedTuple):
    text: str
    help: str = ""


def runs(context: click.Context, _: click.Parameter, begun: str) -> Items:
    """Names, tags, ids (once one is begun) and folders of runs."""
    if os.sep in begun:
        return _paths(begun, folders_only=True)
    return _items(_words_of_runs(context, bool(begun)), begun)


def runs_or_commands(context: click.Context, param: click.Parameter, begun: str) -> Items:
    """Runs, and the commands of the group whose first word may be a run, too."""
    found = runs(context, param, begun)
    group = context.parent and context.parent.command
    if isinstance(group, click.Group) and not context.params.get(str(param.name)):
        words = (_Word(name, c.get_short_help_str()) for name, c in group.commands.items())
        found += _items(words, begun)
    return found


def _words_of_runs(context: click.Context, with_ids: bool) -> Iterator[_Word]:
    from seqlab.runs.lookup import all_runs

    found = all_runs(_root(context))
    if found:
        yield _Word("latest", "the run that was started last")
    for run in reversed(found):
        yield _Word(_name(run), "the latest run of this name")
        yield from (_Word(tag, "a tag") for tag in _tags(run))
        if with_ids:
            own, id_ = run.path.name, run.path.name.rpartition("-")[2]
            yield from (_Word(word, f"a run of {_name(run)}") for word in (id_, own))


def _name(run: RunFolder) -> str:
    """The name, which is that of the folder around it unless it was made with --run-dir."""
    from seqlab.runs.folder import is_given_name

    return run.name if is_given_name(run.path.name) else run.path.parent.name


def _tags(run: RunFolder) -> tuple[str, ...]:
    from seqlab.runs.notes import read_notes

    with suppress(Exception):
        return read_notes(run).tags
    return ()


def checkpoints(context: click.Context, _: click.Parameter, begun: str) -> Items:
    """What --checkpoint takes: `best`, `latest`, or a step of the run that is named."""
    words = (_Word("best", "on the evaluated split"), _Word("latest", "the last one"))
    return _items([*words, *_steps(context)], begun)


def steps(context: click.Context, _: click.Parameter, begun: str) -> Items:
    """The steps at which the run that is named was saved."""
    return _items(_steps(context), begun)


def _steps(context: click.Context) -> Iterator[_Word]:
    from seqlab.training.saved_steps import steps_saved

    if (run := _given(context, "run")) is not None:
        for step in reversed(steps_saved(_find(run, context).checkpoints)):
            yield _Word(str(step), "a step")


def experiments(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """Experiment files, and folders that may lead to some."""
    return _paths(begun, EXPERIMENTS)


def experiments_and_runs(context: click.Context, param: click.Parameter, begun: str) -> Items:
    """Experiment files, and runs."""
    found = [*experiments(context, param, begun), *runs(context, param, begun)]
    return list({str(item.value): item for item in found}.values())


def files(_: click.Context, __: click.Parameter, begun: str) -> Items:
    return _paths(begun)


def folders(_: click.Context, __: click.Parameter, begun: str) -> Items:
    return _paths(begun, folders_only=True)


def settings(context: click.Context, _: click.Parameter, begun: str) -> Items:
    """`KEY=VALUE`: keys of the experiment that is named, at any depth, and their values."""
    from seqlab.registry.choices import keys_beginning, values_beginning

    place = _experiment_place(context)
    key, equals, value = begun.partition("=")
    if not equals:
        return _of_choices(keys_beginning(place, key))
    at = place.at(key.split("."))
    if at is not None and at.is_path:
        return [_after(f"{key}=", item) for item in _paths(value)]
    return [_after(f"{key}=", item) for item in _of_choices(values_beginning(place, key, value))]


def decoder_settings(context: click.Context, param: click.Parameter, begun: str) -> Items:
    """`KEY=VALUE` of the decoder, which may be named by `--decoder`."""
    given = context.params.get("overrides") or ()
    if name := context.params.get("decoder"):
        context.params["overrides"] = (f"decoder={name}", *given)
    found = settings(context, param, begun)
    return [item for item in found if str(item.value).startswith("decoder")]


def exporter_settings(context: click.Context, _: click.Parameter, begun: str) -> Items:
    """`OPTION=` of the exporter that is named."""
    exporters = _registry(context).components("exporter")
    of_named = (c.signature.options for c in exporters if c.name == context.params.get("to"))
    return _items(
        (_Word(f"{o.name}=", o.help) for known in of_named for o in known.values()), begun
    )


def keys(context: click.Context, _: click.Parameter, begun: str) -> Items:
    """Keys of the experiment that is named, each with all that is in it."""
    from seqlab.registry.choices import keys_beginning

    found = keys_beginning(_experiment_place(context), begun)
    return _items((_Word(choice.text.removesuffix("="), choice.help) for choice in found), begun)


def kinds(context: click.Context, _: click.Parameter, begun: str) -> Items:
    """The kinds of component."""
    registry = _registry(context)
    return _items((_Word(kind.name, kind.what) for kind in registry.kinds.values()), begun)


def components(context: click.Context, _: click.Parameter, begun: str) -> Items:
    """The components of the kind that is named, or all."""
    kind = _given(context, "kind")
    return _components(_registry(context), kind, begun)


def decoders(context: click.Context, _: click.Parameter, begun: str) -> Items:
    return _components(_registry(context), "decoder", begun)


def exporters(context: click.Context, _: click.Parameter, begun: str) -> Items:
    return _components(_registry(context), "exporter", begun)


def _components(registry: Registry, kind: str | None, begun: str) -> Items:
    """The components of a kind; None: of all."""
    wanted = [kind] if kind is not None else registry.kinds
    found = [c for kind in wanted for c in registry.components(kind)]
    return _items((_Word(c.name, c.signature.summary) for c in found), begun)


def plugins(context: click.Context, _: click.Parameter, begun: str) -> Items:
    """The names of plugins, disabled ones too."""
    from seqlab.registry.discovery import installed
    from seqlab.registry.selection import select

    given = context.params
    local = not given.get("no_local_plugins")
    selection = select(installed(), given.get("folder"), local=local, without=())
    found = [*(plugin for plugin, _ in selection.found), *selection.disabled]
    return _items((_Word(plugin.name, plugin.origin) for plugin in found), begun)


def conditions(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """`COLUMN=`, of a list of runs."""
    return _items((_Word(f"{name}=") for name in _columns()), begun)


def orders(_: click.Context, __: click.Parameter, begun: str) -> Items:
    """A column of a list of runs."""
    return _items(map(_Word, _columns()), begun)


def _columns() -> tuple[str, ...]:
    from seqlab.runs.listing import COLUMNS

    return COLUMNS


def _experiment_place(context: click.Context) -> Place:
    from seqlab.experiment.located import plain
    from seqlab.registry.choices import whole_experiment

    experiment = _experiment(context)
    return whole_experiment(_registry(context), plain(experiment.tree) if experiment else {})


def _experiment(context: click.Context) -> Experiment | None:
    """The experiment that is named, or that of the run; None: neither can be read."""
    from seqlab.experiment import read_experiment

    file, run = _given(context, "file", "files", "experiment"), _given(context, "run")
    overrides = tuple(context.params.get("overrides") or ())
    for laid_over in (overrides, ()):  # an earlier override may be wrong
        with suppress(Exception):
            if file is not None:
                return read_experiment(file, laid_over)
            if run is not None:
                record = read_experiment(_find(run, context).resolved, record=True)
                return record.overridden(laid_over)
    return None


def _given(context: click.Context, *names: str) -> str | None:
    """The value of an argument that is there already: the first of its words."""
    arguments = [p.name for p in context.command.params if isinstance(p, click.Argument)]
    rest = dict(zip(arguments, context.args, strict=False))  # where the last option lacks a value
    for name in names:
        value = context.params.get(name) or rest.get(name)
        if isinstance(value, list | tuple):
            value = value[0] if value else None
        if value:
            return os.fsdecode(value)
    return None


def _root(context: click.Context) -> Path:
    return Path(context.params.get("root") or "runs")


def _find(run: str, context: click.Context) -> RunFolder:
    from seqlab.runs.lookup import find_run

    return find_run(run, _root(context))


def _registry(context: click.Context) -> Registry:
    from seqlab.registry.kept_plugins import know_plugins

    given = context.params
    local = not given.get("no_local_plugins")
    return know_plugins(given.get("folder"), local=local, importing=False)


def _paths(begun: str, suffixes: tuple[str, ...] = (), *, folders_only: bool = False) -> Items:
    """Paths that go on as one was begun: files with one of `suffixes` (none: all), and folders."""
    head, name = os.path.split(begun)
    before = begun[: len(begun) - len(name)]
    found = []
    with suppress(OSError):
        for entry in os.scandir(Path(head).expanduser()):
            hidden = entry.name.startswith(".") and not name.startswith(".")
            if hidden or not entry.name.startswith(name):
                continue
            if entry.is_dir():
                found.append(f"{before}{entry.name}{os.sep}")
            elif not folders_only and (not suffixes or entry.name.endswith(suffixes)):
                found.append(f"{before}{entry.name}")
    return [CompletionItem(path) for path in sorted(found)]


def _of_choices(choices: Iterable[Choice]) -> Items:
    return _items((_Word(choice.text, choice.help) for choice in choices), "")


def _items(words: Iterable[_Word], begun: str) -> Items:
    """Those words that go on as one was begun, each once."""
    kept: dict[str, CompletionItem[str]] = {}
    for word in words:
        if word.text.startswith(begun):
            kept.setdefault(word.text, CompletionItem(word.text, help=word.help))
    return list(kept.values())


def _after(begin: str, item: CompletionItem[str]) -> CompletionItem[str]:
    return CompletionItem(f"{begin}{item.value}", help=item.help)
