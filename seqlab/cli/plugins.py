"""`seqlab plugins`: list plugins, show, check and write components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli import colors, completing, plugins_check, plugins_disable, plugins_new
from seqlab.cli.options import (
    PluginChoice,
    json_option,
    plugin_options,
    print_json,
    print_table,
    text_or_empty,
    yaml_text,
)
from seqlab.cli.streams import err, out
from seqlab.errors import UsageError
from seqlab.printable import one_line

if TYPE_CHECKING:
    from seqlab.registry.catalogue import Registry
    from seqlab.registry.option import Option
    from seqlab.registry.plugins import Component, Plugin


@click.group("plugins", invoke_without_command=True)
@click.option("--trace", is_flag=True, help="Show the order and the time of loading.")
@json_option
@plugin_options
@click.pass_context
def command(context: click.Context, trace: bool, as_json: bool, plugins: PluginChoice) -> None:
    """List plugins: their origin, their components, and failures."""
    if context.invoked_subcommand is not None:
        context.obj = plugins
        return
    registry = plugins.load(warn=False) if trace else plugins.know(warn=False)
    if as_json:
        print_json([_plugin_json(plugin, registry) for plugin in _all(registry)])
        return
    if trace:
        _print_trace(registry.plugins)
        return
    rows = [
        (p.name, p.origin, text_or_empty(p.path), _offers(p), _state(p, registry))
        for p in _all(registry)
    ]
    print_table(("plugin", "from", "file", "offers", "state"), rows)
    for problem in registry.problems():
        err(one_line(problem), paint=colors.red)


def _all(registry: Registry) -> list[Plugin]:
    return [*registry.plugins, *registry.disabled]


def _print_trace(plugins: Sequence[Plugin]) -> None:
    """In the order of loading; the first plugin that needs torch has its import time."""
    rows = [
        (str(number), p.name, p.origin, f"{p.seconds * 1000:,.1f} ms", _problems(p) or "ok")
        for number, p in enumerate(plugins, start=1)
    ]
    total = sum(plugin.seconds for plugin in plugins)
    rows.append(("", "all", "", f"{total * 1000:,.1f} ms", ""))
    print_table(("", "plugin", "from", "import", "state"), rows)


def _problems(plugin: Plugin) -> str:
    return "; ".join(str(problem) for problem in plugin.problems)


command.add_command(plugins_check.command)
command.add_command(plugins_new.command)
command.add_command(plugins_disable.disable)
command.add_command(plugins_disable.enable)


@command.command("show")
@click.argument("kind", shell_complete=completing.kinds)
@click.argument("name", required=False, shell_complete=completing.components)
@json_option
@plugin_options
def show(kind: str, name: str | None, as_json: bool, plugins: PluginChoice) -> None:
    """Show a component: its options, its source, and a line of YAML, or of a command, to paste.

    Without NAME, the components of KIND are listed.
    """
    from seqlab.registry.catalogue import NotFound
    from seqlab.registry.option_values import suggest

    registry = plugins.know()
    if kind not in registry.kinds:
        raise UsageError(f"unknown kind '{kind}'{suggest(kind, registry.kinds)}")
    if name is None:
        _print_kind(registry.components(kind), as_json)
        return
    try:
        component = registry.find(kind, name)
    except NotFound as error:
        raise UsageError(str(error)) from None
    if as_json:
        print_json(_component_json(component))
    else:
        _print_component(component)


def _print_kind(components: Sequence[Component], as_json: bool) -> None:
    """A line for each component, or all that is known of each."""
    if as_json:
        print_json([_component_json(component) for component in components])
        return
    rows = [
        (c.name, ", ".join(c.signature.options), c.plugin, c.signature.summary) for c in components
    ]
    print_table(("name", "options", "plugin", "what it is"), rows, ("plugin", "options"))


def _print_component(component: Component) -> None:
    signature = component.signature
    out(one_line(f"{component.kind} {component.name}: {signature.summary}"))
    out(one_line(f"plugin {component.plugin}, {signature.location}"))
    out(f"given {', '.join(signature.given) or 'nothing'}\n")
    options = [_option_row(option) for option in signature.options.values()]
    columns = ("option", "type", "default", "bounds", "help")
    print_table(columns, [tuple(option.values()) for option in options])
    out(f"\n{one_line(_yaml_line(component))}")


def _yaml_line(component: Component) -> str:
    options = component.signature.options.values()
    values = {o.name: "…" if o.required else _default(o) for o in options}
    section, line = component.of.section, yaml_text({"name": component.name, **values})
    if command := component.of.command:
        settings = (f"--set {name}={yaml_text(value)}" for name, value in values.items())
        return " ".join([command.replace("NAME", component.name), *settings])
    return f"{section.key or 'OPTION'}: {f'[{line}]' if section.listed else line}"


def _default(option: Option) -> Any:
    from pydantic_core import to_jsonable_python

    return None if option.required else to_jsonable_python(option.default)


def _option_row(option: Option) -> dict[str, Any]:
    return {
        "option": option.name,
        "type": option.type_name(),
        "default": "required" if option.required else yaml_text(_default(option)),
        "bounds": option.bounds(),
        "help": option.help,
    }


def _component_json(component: Component) -> dict[str, Any]:
    signature = component.signature
    return {
        "kind": component.kind,
        "name": component.name,
        "summary": signature.summary,
        "plugin": component.plugin,
        "place": signature.location,
        "given": list(signature.given),
        "options": [
            _option_row(option) | {"default": _default(option), "required": option.required}
            for option in signature.options.values()
        ],
        "yaml": _yaml_line(component),
    }


def _plugin_json(plugin: Plugin, registry: Registry) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution or None,
        "version": plugin.version or None,
        "file": text_or_empty(plugin.path),
        "offers": [{"kind": c.kind, "name": c.name} for c in plugin.components],
        "import_seconds": plugin.seconds,
        "problems": [str(problem) for problem in plugin.problems],
        "disabled": plugin in registry.disabled,
    }


def _offers(plugin: Plugin) -> str:
    kinds: dict[str, list[str]] = {}
    for component in plugin.components:
        kinds.setdefault(component.kind, []).append(component.name)
    return "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items())


def _state(plugin: Plugin, registry: Registry) -> str:
    if plugin in registry.disabled:
        return "disabled"
    if not plugin.problems:
        return "ok"
    return "partly failed" if plugin.components else "failed"
