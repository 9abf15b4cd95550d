"""Components in the options of a component under test: given, a default, or made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from seqlab.errors import UsageError
from seqlab.experiment.located import Located, Origin, locate
from seqlab.factories import KIND
from seqlab.registry import Registry
from seqlab.registry.option import Option
from seqlab.registry.option_values import check_options
from seqlab.registry.section_binding import SectionBinder
from seqlab.scaffold.examples import SECTIONS

INPUT_SIZE = 8  # of cells under test
Schemas: TypeAlias = Mapping[str, Mapping[str, Any]]


def bound_parts(
    options: Mapping[str, Option], given: Mapping[str, Any], what: str, registry: Registry
) -> dict[str, Any]:
    """Bind every option that names components; one that needs a value gets a small component.

    Raises:
        UsageError: a component does not exist, or refuses its options.
    """
    binder, origin = SectionBinder(registry), Origin(what)
    written = {name: given[name] for name in options if name in given}
    for name, option in options.items():
        made_up = _made_up(option.schema, registry) if option.required else None
        if name not in written and made_up is not None:
            written[name] = made_up
    section = Located({name: locate(value, origin) for name, value in written.items()}, origin)
    checked = check_options(options, section, what, what, binder.bind_part)
    if complaints := [*checked.complaints, *binder.complaints]:
        raise UsageError(str(complaints[0]))
    return {name: value for name, value in checked.values.items() if name in options}


def _made_up(schema: Mapping[str, Any], registry: Registry, inside: Schemas | None = None) -> Any:
    """A value for a schema that names components: one, some, or a dataclass with some."""
    inside = schema.get("$defs", {}) if inside is None else inside
    if "$ref" in schema:
        return _made_up(inside[schema["$ref"].rpartition("/")[2]], registry, inside)
    if KIND in schema:
        return _small(schema[KIND], registry)
    if schema.get("type") == "array":
        return [_made_up(schema.get("items", {}), registry, inside)]
    if "properties" in schema:
        required = {key: schema["properties"][key] for key in schema.get("required", ())}
        return {key: _made_up(part, registry, inside) for key, part in required.items()}
    if isinstance(schema.get("additionalProperties"), dict):
        return {"inner": _made_up(schema["additionalProperties"], registry, inside)}
    branches = [_made_up(branch, registry, inside) for branch in schema.get("anyOf", [])]
    return next((branch for branch in branches if branch is not None), None)


def _small(kind: str, registry: Registry) -> Any:
    """A component of a kind; a cell has outputs of the size of its inputs, for what is added."""
    if kind == "cell":
        return {**SECTIONS[kind], "hidden_size": INPUT_SIZE}
    return SECTIONS.get(kind) or _first(kind, registry)


def _first(kind: str, registry: Registry) -> str | None:
    """A component of a stranger's kind that needs no option."""
    for component in registry.components(kind):
        if not any(option.required for option in component.signature.options.values()):
            return component.name
    return None
