"""`seqlab plugins check`: does a component keep the promises of its kind?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli.options import PluginChoice, json_option, plugin_options, print_json, print_table
from seqlab.cli.streams import err
from seqlab.errors import PluginError, UsageError

if TYPE_CHECKING:
    from seqlab.registry import Registry
    from seqlab.registry.plugins import Component
    from seqlab.testing import Result


@click.command("check")
@click.argument("name")
@click.option("--kind", help="Only components of this kind.")
@click.option(
    "--set", "options", multiple=True, metavar="OPTION=VALUE", help="Give an option: hidden_size=8."
)
@json_option
@plugin_options
@click.pass_context
def command(
    context: click.Context,
    name: str,
    kind: str | None,
    options: tuple[str, ...],
    as_json: bool,
    plugins: PluginChoice,
) -> None:
    """Check NAME: a component, all that a plugin offers, or all in a FILE that ends with .py."""
    from seqlab.testing import Subject, checks_of, look_at

    results: list[tuple[str, Result]] = []
    components = _chosen(name, kind, plugins)
    given = _given(options, components)
    for component in components:
        known = component.signature.options
        subject = Subject.of_component(component, {k: v for k, v in given.items() if k in known})
        results += [(str(subject), look_at(check, subject)) for check in checks_of(component.kind)]
    if as_json:
        print_json([{"component": what, **vars(result)} for what, result in results])
    else:
        _print(results)
    broken = any(result.verdict == "broken" for _, result in results)
    context.exit(PluginError.exit_code if broken else 0)


def _print(results: list[tuple[str, Result]]) -> None:
    rows = [(what, r.check.replace("_", " "), r.verdict, r.message) for what, r in results]
    print_table(("component", "promise", "", ""), rows)
    counts = {v: sum(r.verdict == v for _, r in results) for v in ("kept", "broken", "skipped")}
    err(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))


def _chosen(name: str, kind: str | None, plugins: PluginChoice) -> list[Component]:
    """The components that are meant.

    Raises:
        PluginError: the plugin failed, so there is nothing to check.
        UsageError: nothing has that name, or there is no such kind.
    """
    _refuse_unknown(kind)
    registry, plugin = _load(name, plugins)
    _refuse_failed(registry, plugin)
    every = [c for p in registry.plugins for c in p.components]
    named = [c for c in every if plugin in (c.plugin, c.name)]
    found = [c for c in named if kind in (None, c.kind)]
    if found:
        return found
    from seqlab.registry.option_values import suggest

    if named:
        kinds = ", ".join(sorted({c.kind for c in named}))
        raise UsageError(f"'{name}' offers no {kind}; what it offers is of kind: {kinds}")
    known = {word for c in every if kind in (None, c.kind) for word in (c.name, c.plugin)}
    raise UsageError(f"no component, plugin or file '{name}'{suggest(name, known)}")


def _refuse_unknown(kind: str | None) -> None:
    from seqlab.registry.kinds import KINDS

    if kind is not None and kind not in KINDS:
        raise UsageError(f"unknown kind '{kind}'; there are: {', '.join(KINDS)}")


def _load(name: str, plugins: PluginChoice) -> tuple[Registry, str]:
    """The plugins there are, with a file if one is named, and the name to look for."""
    if not name.endswith(".py"):
        return plugins.load(say=False), name
    from seqlab.registry import load_plugins

    path = Path(name)
    if not path.is_file():
        raise UsageError(f"{name}: there is no such file")
    return load_plugins(local=False, without=plugins.without, files=[path]), path.stem


def _refuse_failed(registry: Registry, name: str) -> None:
    for plugin in registry.plugins:
        if plugin.name == name and plugin.problems:
            said = "; ".join(str(problem) for problem in plugin.problems)
            raise PluginError(f"plugin '{name}' ({plugin.origin}): {said}")


def _given(options: tuple[str, ...], components: list[Component]) -> dict[str, Any]:
    """The values of options by name; each component takes those that it has.

    Raises:
        UsageError: none of the components has one of them.
    """
    from seqlab.experiment import read_experiment
    from seqlab.experiment.located import plain
    from seqlab.registry.option_values import suggest

    tree = read_experiment({}, [f"options.{option}" for option in options]).tree
    given: dict[str, Any] = plain(tree).get("options", {})
    known = {option for c in components for option in c.signature.options}
    unknown = [name for name in given if name not in known]
    if unknown:
        what = " or ".join(f"{c.kind} '{c.name}'" for c in components[:3])
        more = f" or {len(components) - 3} others" if len(components) > 3 else ""
        said = [f"no option '{name}' of {what}{more}{suggest(name, known)}" for name in unknown]
        raise UsageError("; ".join(said))
    return given
