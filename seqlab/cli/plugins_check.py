"""`seqlab plugins check`: check whether a component keeps the promises of its kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli import completing
from seqlab.cli.loading import loading
from seqlab.cli.options import PluginChoice, json_option, plugin_options, print_json, print_table
from seqlab.cli.streams import err
from seqlab.errors import PluginError, UsageError

if TYPE_CHECKING:
    from seqlab.registry import Registry
    from seqlab.registry.plugins import Component
    from seqlab.testing import Result


@click.command("check")
@click.argument("name", shell_complete=completing.components)
@click.option("--kind", shell_complete=completing.kinds, help="Check only components of this kind.")
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="OPTION=VALUE",
    help="Set an option of the component, such as hidden_size=8.",
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
    """Check NAME: a component, all components of a plugin, or a file that ends with .py."""
    shown = loading(f"checking {name}")
    shown("Importing torch")
    from seqlab.testing import Subject, checks_of, look_at

    results: list[tuple[str, Result]] = []
    registry, components = _find(name, kind, plugins)
    values = _parse_options(options, components)
    for component in components:
        known = component.signature.options
        subject = Subject.of_component(
            component, {k: v for k, v in values.items() if k in known}, registry
        )
        checks = list(checks_of(component.of))
        for number, check in enumerate(checks, start=1):
            promise = check.__name__.replace("_", " ")
            shown(f"Checking {subject}, promise {number} of {len(checks)}: {promise}")
            results.append((str(subject), look_at(check, subject)))
    shown.close()
    if as_json:
        print_json([{"component": name, **vars(result)} for name, result in results])
    else:
        _print(results)
    broken = any(result.verdict == "broken" for _, result in results)
    context.exit(PluginError.exit_code if broken else 0)


def _print(results: list[tuple[str, Result]]) -> None:
    rows = [(name, r.check.replace("_", " "), r.verdict, r.message) for name, r in results]
    print_table(("component", "promise", "state", ""), rows)
    counts = {v: sum(r.verdict == v for _, r in results) for v in ("kept", "broken", "skipped")}
    err(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))


def _find(name: str, kind: str | None, plugins: PluginChoice) -> tuple[Registry, list[Component]]:
    """The components with a name, or of the plugin with that name.

    Raises:
        PluginError: the plugin failed, so there is nothing to check.
        UsageError: there is no such name or kind.
    """
    from seqlab.registry.option_values import suggest

    registry, plugin = _load(name, plugins)
    if kind is not None and kind not in registry.kinds:
        raise UsageError(f"unknown kind '{kind}'; there are: {', '.join(registry.kinds)}")
    _refuse_failed(registry, plugin)
    components = [c for p in registry.plugins for c in p.components]
    named = [c for c in components if plugin in (c.plugin, c.name)]
    if matching := [c for c in named if kind in (None, c.kind)]:
        return registry, matching
    if named:
        kinds = ", ".join(sorted({c.kind for c in named}))
        raise UsageError(f"'{name}' has no {kind}; its components are of kind: {kinds}")
    known = {known for c in components if kind in (None, c.kind) for known in (c.name, c.plugin)}
    raise UsageError(f"no component, plugin or file '{name}'{suggest(name, known)}")


def _load(name: str, plugins: PluginChoice) -> tuple[Registry, str]:
    """Load plugins, or a file alone; return them and the name to look for."""
    if not name.endswith(".py"):
        return plugins.load(warn=False), name
    from seqlab.registry import load_plugins

    path = Path(name)
    if not path.is_file():
        raise UsageError(f"{name}: there is no such file")
    return load_plugins(local=False, without=plugins.without, files=[path]), path.stem


def _refuse_failed(registry: Registry, name: str) -> None:
    for plugin in registry.plugins:
        if plugin.name == name and plugin.problems:
            problems = "; ".join(str(problem) for problem in plugin.problems)
            raise PluginError(f"plugin {plugin.label}: {problems}")


def _parse_options(options: tuple[str, ...], components: list[Component]) -> dict[str, Any]:
    """The values of options by name.

    Raises:
        UsageError: none of the components has an option of that name.
    """
    from seqlab.experiment import read_experiment
    from seqlab.experiment.located import plain
    from seqlab.registry.option_values import suggest

    tree = read_experiment({}, [f"options.{option}" for option in options]).tree
    values: dict[str, Any] = plain(tree).get("options", {})
    known = {option for c in components for option in c.signature.options}
    if unknown := [name for name in values if name not in known]:
        owners = " or ".join(c.label for c in components[:3])
        if len(components) > 3:
            owners += f" or {len(components) - 3} others"
        messages = [f"no option '{name}' of {owners}{suggest(name, known)}" for name in unknown]
        raise UsageError("; ".join(messages))
    return values
