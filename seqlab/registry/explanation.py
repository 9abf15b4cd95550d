"""An experiment and what it resolved to in -> each key with its value, its origin, its reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from seqlab.errors import UsageError
from seqlab.experiment.located import Located
from seqlab.experiment.reading import Experiment
from seqlab.experiment.sections import COMPONENT_SECTIONS, CORE_KEYS, CORE_SECTIONS
from seqlab.registry.binding import Bound
from seqlab.registry.catalogue import Registry
from seqlab.registry.nested_options import keys_inside
from seqlab.registry.option_values import suggest
from seqlab.registry.resolving import Resolved
from seqlab.registry.signature import Option, Signature, read_signature

CORE = "seqlab itself"


@dataclass(frozen=True)
class Explanation:
    """`origin` is a place in a file, an override, or where the default stands."""

    key: str
    value: Any
    origin: str
    read_by: str
    type: str = ""
    bounds: str = ""
    help: str = ""


def explain(experiment: Experiment, resolved: Resolved, registry: Registry) -> list[Explanation]:
    """Say of every key of a resolved experiment where its value comes from and who reads it."""
    values, tree = resolved.as_experiment(), experiment.tree
    found: list[Explanation] = []
    for kind in COMPONENT_SECTIONS:
        found += _component(kind, getattr(resolved, kind), values[kind], tree, registry)
    for section, cls in CORE_SECTIONS.items():
        signature = read_signature(cls)
        for name, value in values.get(section, {}).items():
            option = signature.options[name]
            found += _option([section, name], value, option, signature, CORE, tree)
    for number, bound in enumerate(resolved.observers):
        found += _observer(number, bound, tree, registry)
    return found


def explain_key(found: list[Explanation], key: str) -> list[Explanation]:
    """What is known of one key, or of every key of a section.

    Raises:
        UsageError: the experiment has no such key.
    """
    exact = [one for one in found if one.key == key]
    inside = [one for one in found if one.key.startswith(f"{key}.")]
    outside = [one for one in found if key.startswith(f"{one.key}.")]
    if not (exact or inside or outside):
        raise UsageError(f"no key '{key}'{suggest(key, [one.key for one in found])}")
    return exact or inside or outside


def _component(
    section: str, bound: Bound, values: dict[str, Any], tree: Located, registry: Registry
) -> Iterator[Explanation]:
    signature, reader = bound.component.signature, _reader(bound, registry)
    core = read_signature(CORE_KEYS[section]) if section in CORE_KEYS else None
    yield _name(section, bound, reader, tree)
    for name, value in values.items():
        if name in signature.options:
            option = signature.options[name]
            yield from _option([section, name], value, option, signature, reader, tree)
        elif core is not None and name in core.options:
            yield from _option([section, name], value, core.options[name], core, CORE, tree)


def _observer(
    number: int, bound: Bound, tree: Located, registry: Registry
) -> Iterator[Explanation]:
    signature, reader = bound.component.signature, _reader(bound, registry)
    yield _name(f"observers.{number}", bound, reader, tree)
    for name, value in bound.as_section().items():
        if name in signature.options:
            path: list[str | int] = ["observers", number, name]
            yield from _option(path, value, signature.options[name], signature, reader, tree)


def _name(key: str, bound: Bound, reader: str, tree: Located) -> Explanation:
    path = [
        int(step) if step.isascii() and step.isdigit() and len(step) < 9 else step
        for step in key.split(".")
    ]
    written = _written(tree, [*path, "name"]) or _written(tree, path)
    summary = bound.component.signature.summary
    origin = written or "default of the section"
    return Explanation(f"{key}.name", bound.component.name, origin, reader, help=summary)


def _option(
    path: list[str | int], value: Any, option: Option, signature: Signature, reader: str,
    tree: Located,
) -> Iterator[Explanation]:  # fmt: skip
    """The option; where its value has keys of its own, each of these."""
    inside = keys_inside(option) if isinstance(value, dict) else None
    if inside is not None and value.keys() == inside.options.keys():
        for name, part in inside.options.items():
            yield from _option([*path, name], value[name], part, inside, reader, tree)
        return
    yield Explanation(
        key=".".join(map(str, path)),
        value=value,
        origin=_written(tree, path) or f"default in {signature.place}",
        read_by=reader,
        type=option.type_name(),
        bounds=option.bounds(),
        help=option.help,
    )


def _written(tree: Located, path: list[str | int]) -> str:
    """Where a key was written; empty if nobody wrote it."""
    here = tree
    for step in path:
        there = here.at([step])
        if there is here:
            return ""
        here = there
    return str(here.origin)


def _reader(bound: Bound, registry: Registry) -> str:
    component = bound.component
    plugin = registry.plugin(component.plugin)
    return f"{component.kind} '{component.name}' of plugin '{plugin.name}' ({plugin.origin})"
