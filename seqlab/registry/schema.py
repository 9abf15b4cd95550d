"""A JSON Schema of everything that is installed, so that an editor knows what an author offers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from seqlab.experiment.sections import (
    COMPONENT_SECTIONS,
    CORE_KEYS,
    CORE_SECTIONS,
    DEFAULT_COMPONENTS,
    REQUIRED_SECTIONS,
)
from seqlab.registry.catalogue import Registry
from seqlab.registry.plugins import Component
from seqlab.registry.signature import Option, Signature, read_signature

Schema = dict[str, Any]


def experiment_schema(registry: Registry) -> Schema:
    """Return the JSON Schema (draft 2020-12) of an experiment file.

    A component's section is a union on `name`. A file that extends another one may leave out
    names, required options and sections: they may stand in the base.
    """
    definitions: Schema = {}
    whole = {kind: _section(kind, registry, definitions) for kind in COMPONENT_SECTIONS}
    parts = {kind: _partial(kind, registry, definitions) for kind in COMPONENT_SECTIONS}
    core = {key: _core(cls, definitions) for key, cls in CORE_SECTIONS.items()}
    observer = _section("observer", registry, definitions)
    requirement = {"type": "string", "description": "a distribution, as in seqlab-foo>=0.2"}
    common = {
        "extends": {"type": "string", "description": "an experiment that this one is laid over"},
        "observers": _nullable({"type": "array", "items": observer}),
        "requires": _nullable({"type": "array", "items": requirement}),
    }
    loose = {key: _nullable(_without_required(schema)) for key, schema in core.items()}
    whole = {key: _unless_required(key, schema) for key, schema in (whole | core).items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "seqlab experiment",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": _sections({**common, **parts, **loose}),
        "else": _sections({**common, **whole}, REQUIRED_SECTIONS),
        "$defs": definitions,
    }


def _sections(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    return {"properties": properties, "required": list(required), "additionalProperties": False}


def _section(kind: str, registry: Registry, definitions: Schema) -> Schema:
    components = registry.components(kind)
    return {"anyOf": [_short(components), *(_component(c, definitions) for c in components)]}


def _short(components: list[Component]) -> Schema:
    """The short form, a bare name, for components that need no option."""
    free = [c.name for c in components if not any(o.required for o in c.signature.options.values())]
    return {"enum": free}


def _component(component: Component, definitions: Schema) -> Schema:
    keys = CORE_KEYS.get(component.kind)
    core = read_signature(keys).options if keys else {}
    schema = _options({**component.signature.options, **core}, component.signature, definitions)
    schema["properties"]["name"] = {"const": component.name}
    if DEFAULT_COMPONENTS.get(component.kind) != component.name:
        schema["required"].insert(0, "name")
    return schema


def _partial(kind: str, registry: Registry, definitions: Schema) -> Schema:
    """A section that is laid over another one: any name or none, any of the options there are."""
    components = registry.components(kind)
    keys = CORE_KEYS.get(kind)
    named: dict[str, list[Schema]] = {}
    options = [o for c in components for o in c.signature.options.values()]
    for option in [*options, *(read_signature(keys).options.values() if keys else ())]:
        schema = _option(option, definitions)
        if schema not in named.setdefault(option.name, []):
            named[option.name].append(schema)
    properties: Schema = {name: {"anyOf": schemas} for name, schemas in named.items()}
    names = [component.name for component in components]
    properties["name"] = {"enum": names}
    mapping = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"anyOf": [{"enum": [*names, None]}, mapping]}


def _core(cls: type, definitions: Schema) -> Schema:
    signature = read_signature(cls)
    return _options(signature.options, signature, definitions)


def _options(options: Mapping[str, Option], signature: Signature, definitions: Schema) -> Schema:
    return {
        "type": "object",
        "description": signature.summary,
        "properties": {name: _option(option, definitions) for name, option in options.items()},
        "required": [name for name, option in options.items() if option.required],
        "additionalProperties": False,
    }


def _option(option: Option, definitions: Schema) -> Schema:
    schema = _with_definitions(dict(option.schema), definitions)
    if option.help:
        schema["description"] = option.help
    if not option.required:
        schema["default"] = to_jsonable_python(option.default)
    return schema


def _with_definitions(schema: Schema, definitions: Schema) -> Schema:
    """Take the definitions of a schema in; one whose name is another's already gets a number."""
    own: Schema = schema.pop("$defs", {})
    names: dict[str, str] = {}
    for name, definition in own.items():
        number = itertools.count(2)
        names[name] = name
        while definitions.get(names[name], definition) != definition:
            names[name] = f"{name}_{next(number)}"
    renamed: Schema = _referring({"schema": schema, "own": own}, names)
    definitions.update({names[name]: part for name, part in renamed["own"].items()})
    return dict(renamed["schema"])


def _referring(value: Any, names: Mapping[str, str]) -> Any:
    """Let references to definitions have their new names."""
    if isinstance(value, dict):
        parts = {key: _referring(item, names) for key, item in value.items()}
        if isinstance(reference := value.get("$ref"), str):
            place, _, name = reference.rpartition("/")
            parts["$ref"] = f"{place}/{names.get(name, name)}"
        return parts
    return [_referring(item, names) for item in value] if isinstance(value, list) else value


def _without_required(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "required"}


def _unless_required(key: str, schema: Schema) -> Schema:
    """A section that says null is as good as none, so it may be null where it may be left out."""
    return schema if key in REQUIRED_SECTIONS else _nullable(schema)


def _nullable(schema: Schema) -> Schema:
    branches = schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]
    return {"anyOf": [*branches, {"type": "null"}]}
