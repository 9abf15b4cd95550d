"""A JSON Schema of experiment files, with the options of every installed component."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from seqlab.experiment.kinds import KINDS, REQUIRED_SECTIONS, SINGLE, Kind
from seqlab.experiment.sections import (
    CORE_SECTIONS,
)
from seqlab.registry.catalogue import Registry
from seqlab.registry.option import Option
from seqlab.registry.plugins import Component
from seqlab.registry.signature import Signature, core_options, read_signature

Schema = dict[str, Any]


def experiment_schema(registry: Registry) -> Schema:
    """Return the JSON Schema (draft 2020-12) of an experiment file.

    A component's section is a union on `name`. A file that extends another one may leave out
    names, required options and sections: its base may have them.
    """
    definitions: Schema = {}
    whole = {key: _section(kind, registry, definitions) for key, kind in SINGLE.items()}
    parts = {key: _overriding_section(kind, registry, definitions) for key, kind in SINGLE.items()}
    for key, cls in CORE_SECTIONS.items():
        signature = read_signature(cls)
        whole[key] = _options(signature.options, signature, definitions)
        parts[key] = _nullable({k: v for k, v in whole[key].items() if k != "required"})
    optional = whole.keys() - {*REQUIRED_SECTIONS}  # null is the same as leaving it out
    whole |= {key: _nullable(whole[key]) for key in optional}
    observer = _section(KINDS["observer"], registry, definitions)
    requirement = {"type": "string", "description": "a distribution, as in seqlab-foo>=0.2"}
    common = {
        "extends": {"type": "string", "description": "an experiment that this one is laid over"},
        "observers": _nullable({"type": "array", "items": observer}),
        "requires": _nullable({"type": "array", "items": requirement}),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "seqlab experiment",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": _sections({**common, **parts}),
        "else": _sections({**common, **whole}, REQUIRED_SECTIONS),
        "$defs": definitions,
    }


def _sections(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    return {"properties": properties, "required": list(required), "additionalProperties": False}


def _section(kind: Kind, registry: Registry, definitions: Schema) -> Schema:
    components = registry.components(kind.name)
    bare = [c.name for c in components if not any(o.required for o in c.signature.options.values())]
    return {"anyOf": [{"enum": bare}, *(_component(c, definitions) for c in components)]}


def _component(component: Component, definitions: Schema) -> Schema:
    options = {**component.signature.options, **core_options(component.of)}
    schema = _options(options, component.signature, definitions)
    schema["properties"]["name"] = {"const": component.name}
    section = component.of.section
    if section.listed or section.default != component.name:
        schema["required"].insert(0, "name")
    return schema


def _overriding_section(kind: Kind, registry: Registry, definitions: Schema) -> Schema:
    """A section laid over another one: any name or none, any options of the kind."""
    components = registry.components(kind.name)
    options = [o for c in components for o in c.signature.options.values()]
    by_name: dict[str, list[Schema]] = {}
    for option in (*options, *core_options(kind).values()):
        schema = _option(option, definitions)
        if schema not in by_name.setdefault(option.name, []):
            by_name[option.name].append(schema)
    names = [component.name for component in components]
    properties: Schema = {name: {"anyOf": schemas} for name, schemas in by_name.items()}
    properties["name"] = {"enum": names}
    mapping = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"anyOf": [{"enum": [*names, None]}, mapping]}


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
    """Move `$defs` of a schema to `definitions`; a name that is taken gets a number."""
    own: Schema = schema.pop("$defs", {})
    names: dict[str, str] = {}
    for name, definition in own.items():
        number = itertools.count(2)
        names[name] = name
        while definitions.get(names[name], definition) != definition:
            names[name] = f"{name}_{next(number)}"
    renamed: Schema = _rename_references({"schema": schema, "own": own}, names)
    definitions.update({names[name]: part for name, part in renamed["own"].items()})
    return dict(renamed["schema"])


def _rename_references(value: Any, names: Mapping[str, str]) -> Any:
    """Rename definitions in references."""
    if isinstance(value, dict):
        parts = {key: _rename_references(item, names) for key, item in value.items()}
        if isinstance(reference := value.get("$ref"), str):
            prefix, _, name = reference.rpartition("/")
            parts["$ref"] = f"{prefix}/{names.get(name, name)}"
        return parts
    return [_rename_references(item, names) for item in value] if isinstance(value, list) else value


def _nullable(schema: Schema) -> Schema:
    branches = schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]
    return {"anyOf": [*branches, {"type": "null"}]}
