"""A JSON Schema of experiment files, with the options of every installed component."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import to_jsonable_python

from seqlab.experiment.kinds import KINDS, REQUIRED_SECTIONS, SINGLE, Kind
from seqlab.experiment.sections import CORE_SECTIONS
from seqlab.factories import KIND
from seqlab.registry.catalogue import Registry
from seqlab.registry.option import Option
from seqlab.registry.plugins import Component
from seqlab.registry.signature import Signature

Schema = dict[str, Any]
_NULL = {"type": "null"}


def experiment_schema(registry: Registry) -> Schema:
    """Return the JSON Schema (draft 2020-12) of an experiment file.

    A component's section is a union on `name`. A file that extends another one may leave out
    names, required options and sections: its base may have them.
    """
    definitions: Schema = {}
    whole, over = (_Writer(registry, definitions, over=over) for over in (False, True))
    requirement = {"type": "string", "description": "a distribution, as in seqlab-foo>=0.2"}
    common = {
        "extends": {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            "description": "an experiment that this one is laid over, or several, in order",
        },
        "observers": _nullable({"type": "array", "items": whole.component(KINDS["observer"])}),
        "requires": _nullable({"type": "array", "items": requirement}),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "seqlab experiment",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": _sections({**common, **over.sections()}),
        "else": _sections({**common, **whole.sections()}, REQUIRED_SECTIONS),
        "$defs": definitions,
    }


def _sections(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    return {"properties": properties, "required": list(required), "additionalProperties": False}


@dataclass(frozen=True)
class _Writer:
    """Writes the schemas of whole files, or of files that are laid `over` another one."""

    registry: Registry
    definitions: Schema
    over: bool

    def sections(self) -> Schema:
        """The sections that name one component, and those that the core reads."""
        sections = {key: self._section(kind) for key, kind in SINGLE.items()}
        for key, cls in CORE_SECTIONS.items():
            signature = self.registry.signature_of(cls)
            sections[key] = self._options(signature.options, signature)
            if self.over:
                del sections[key]["required"]
        optional = CORE_SECTIONS if self.over else sections.keys() - {*REQUIRED_SECTIONS}
        # null is the same as leaving it out
        return sections | {key: _nullable(sections[key]) for key in sections if key in optional}

    def _section(self, kind: Kind) -> Schema:
        """A component in its section, which differs from a part only if the core has keys there."""
        if kind.section.keys:
            return self.component(kind)
        return self._defined(f"{kind.name}.{'over' if self.over else 'whole'}", kind)

    def component(self, kind: Kind, *, part: bool = False) -> Schema:
        """A component of a kind: in its section, or as `part` of another one."""
        components = self.registry.components(kind.name)
        core = self.registry.core_options(kind)
        if part:
            core = {name: core[name] for name in kind.section.inside}
        return self._overriding(components, core) if self.over else self._whole(components, core)

    def _whole(self, components: list[Component], core: Mapping[str, Option]) -> Schema:
        bare = [c.name for c in components if not any(_required(c.signature))]
        return {"anyOf": [{"enum": bare}, *(self._mapping(c, core) for c in components)]}

    def _mapping(self, component: Component, core: Mapping[str, Option]) -> Schema:
        schema = self._options({**component.signature.options, **core}, component.signature)
        schema["properties"]["name"] = {"const": component.name}
        section = component.of.section
        if section.listed or section.default != component.name:
            schema["required"].insert(0, "name")
        return schema

    def _overriding(self, components: list[Component], core: Mapping[str, Option]) -> Schema:
        """What is laid over another component: any name or none, any options of the kind."""
        options = [o for c in components for o in c.signature.options.values()]
        by_name: dict[str, list[Schema]] = {}
        for option in (*options, *core.values()):
            schema = self._option(option)
            if schema not in by_name.setdefault(option.name, []):
                by_name[option.name].append(schema)
        names = [component.name for component in components]
        properties: Schema = {name: {"anyOf": schemas} for name, schemas in by_name.items()}
        properties["name"] = {"enum": names}
        mapping = {"type": "object", "properties": properties, "additionalProperties": False}
        return {"anyOf": [{"enum": [*names, None]}, mapping]}

    def _options(self, options: Mapping[str, Option], signature: Signature) -> Schema:
        return {
            "type": "object",
            "description": signature.summary,
            "properties": {name: self._option(option) for name, option in options.items()},
            "required": [name for name, option in options.items() if option.required],
            "additionalProperties": False,
        }

    def _option(self, option: Option) -> Schema:
        over_default = not option.required and option.default is not None
        schema: Schema = self._with_references(dict(option.schema), over_default)
        schema = _with_definitions(schema, self.definitions)
        if option.help:
            schema["description"] = option.help
        if not option.required:
            schema["default"] = to_jsonable_python(option.default)
        return schema

    def _with_references(self, value: Any, over_default: bool) -> Any:
        """Refer to the components of a kind where a type says that it is one of them."""
        if isinstance(value, list):
            return [self._with_references(item, over_default) for item in value]
        if not isinstance(value, dict):
            return value
        if KIND in value:
            kind = self.registry.kinds[value[KIND]]
            rest = {key: item for key, item in value.items() if key != KIND}
            return {"anyOf": list(self._references(kind, over_default)), **rest}
        return {key: self._with_references(item, over_default) for key, item in value.items()}

    def _references(self, kind: Kind, over_default: bool) -> Iterator[Schema]:
        if self.over:
            yield self._defined(f"{kind.name}.over", kind)
            return
        yield self._defined(f"{kind.name}.whole", kind)
        if over_default:  # what is written is laid over it, so that a name may be left out
            over = replace(self, over=True)._defined(f"{kind.name}.over", kind)
            yield {"allOf": [over, {"type": "object", "not": {"required": ["name"]}}]}

    def _defined(self, name: str, kind: Kind) -> Schema:
        """Define the components of a kind once, and refer to the definition."""
        if name not in self.definitions:
            self.definitions[name] = {}  # it may contain itself
            self.definitions[name] = self.component(kind, part=True)
        return {"$ref": f"#/$defs/{name}"}


def _required(signature: Signature) -> Iterator[bool]:
    return (option.required for option in signature.options.values())


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
    return {"anyOf": [*branches, _NULL]}
