"""A key of an experiment -> the keys below it and the values that it may have, for completion.

Both follow from the JSON Schema of experiments, and from what the experiment names already: below
`cell` there are the options of the cell that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from seqlab.registry.catalogue import Registry
from seqlab.registry.schema import Schema, experiment_schema


class Choice(NamedTuple):
    """A key or a value, and what it is."""

    text: str
    help: str = ""


@dataclass(frozen=True)
class Place:
    """What may be written at a key: `schema`; and what is: `written` (None: nothing)."""

    schema: Schema
    definitions: Mapping[str, Schema]
    written: Any

    @property
    def help(self) -> str:
        return str(self.schema.get("description", ""))

    @property
    def has_keys(self) -> bool:
        return bool(self.keys())

    @property
    def has_values(self) -> bool:
        """Whether it may be anything but a mapping of keys."""
        return any("properties" not in branch for branch in self._branches())

    @property
    def is_path(self) -> bool:
        return any(branch.get("format") == "path" for branch in self._branches())

    def keys(self) -> dict[str, Place]:
        """The places below this one, by the step of a key that leads to each."""
        places: dict[str, Place] = {}
        for branch in self._branches():
            if "properties" in branch and self._is_meant(branch):
                places |= self._properties(branch)
            elif branch.get("type") == "array" and isinstance(self.written, list):
                for index, item in enumerate(self.written):
                    places[str(index)] = Place(branch.get("items", {}), self.definitions, item)
        return places

    def values(self) -> list[Choice]:
        """The values that can be listed; of a number or a text, the one that it has."""
        listed = {name: Choice(name, text) for name, text in sorted(self._components())}
        for value in self._listed():
            listed.setdefault(_in_yaml(value), Choice(_in_yaml(value)))
        if self._is_open and isinstance(self.written, str | int | float):
            listed.setdefault(_in_yaml(self.written), Choice(_in_yaml(self.written), "as it is"))
        return list(listed.values())

    @property
    def _is_open(self) -> bool:
        """Whether a value may be one of more than can be listed."""
        types = (branch.get("type") for branch in self._branches() if "enum" not in branch)
        return any(type_ in ("integer", "number", "string") for type_ in types)

    def at(self, steps: Iterable[str]) -> Place | None:
        """The place to which a key leads from here; None: it leads nowhere."""
        here: Place | None = self
        for step in steps:
            here = here and here.keys().get(step)
        return here

    def _branches(self, schema: Schema | None = None) -> Iterator[Schema]:
        """The alternatives of a schema, without references."""
        schema = self.schema if schema is None else schema
        if "$ref" in schema:
            name = str(schema["$ref"]).rpartition("/")[2]
            yield from self._branches(self.definitions[name])
        elif "anyOf" in schema:
            for part in schema["anyOf"]:
                yield from self._branches(part)
        elif "allOf" not in schema:  # what may be laid over a default has no other keys
            yield schema

    def _is_meant(self, mapping: Schema) -> bool:
        """Whether a mapping is that of the component which is named here, or of no component."""
        name = mapping["properties"].get("name", {}).get("const")
        if name is None:
            return True
        given = self.written.get("name") if isinstance(self.written, dict) else self.written
        if isinstance(given, str):
            return bool(given == name)
        return "name" not in mapping["required"]  # the default component

    def _properties(self, mapping: Schema) -> dict[str, Place]:
        written = self.written if isinstance(self.written, dict) else {}
        return {
            name: Place(schema, self.definitions, written.get(name, schema.get("default")))
            for name, schema in mapping["properties"].items()
            if name != "name"
        }

    def _components(self) -> Iterator[tuple[str, str]]:
        """The names of components, and what each is."""
        for branch in self._branches():
            name = branch.get("properties", {}).get("name", {}).get("const")
            if name is not None:
                yield name, str(branch.get("description", ""))

    def _listed(self) -> Iterator[Any]:
        for branch in self._branches():
            yield from branch.get("enum", ())
            if "const" in branch:
                yield branch["const"]
            elif branch.get("type") == "boolean":
                yield from (True, False)
            elif branch.get("type") == "null":
                yield None


def whole_experiment(registry: Registry, written: Mapping[str, Any]) -> Place:
    """The place of a whole experiment; `written` has the plain values of one."""
    schema = experiment_schema(registry)
    sections = {key: part for key, part in schema["else"]["properties"].items() if key != "extends"}
    places = {"type": "object", "required": [], "properties": sections}
    return Place(places, schema["$defs"], written)


def keys_beginning(place: Place, key: str) -> list[Choice]:
    """Complete the last step of a key: with `=` where it has values, with `.` where keys follow."""
    *above, last = key.split(".")
    around = place.at(above)
    begin = "".join(f"{step}." for step in above)
    choices: list[Choice] = []
    for step, below in around.keys().items() if around else ():
        if step.startswith(last):
            choices += [Choice(f"{begin}{step}{end}", below.help) for end in _ends(below)]
    return choices


def values_beginning(place: Place, key: str, value: str) -> list[Choice]:
    """Complete the value of a key."""
    at = place.at(_steps(key))
    return [choice for choice in at.values() if choice.text.startswith(value)] if at else []


def _steps(key: str) -> Sequence[str]:
    return [step.strip() for step in key.split(".")]


def _ends(place: Place) -> Iterator[str]:
    if place.has_values or not place.has_keys:
        yield "="
    if place.has_keys:
        yield "."


def _in_yaml(value: Any) -> str:
    from seqlab.experiment.yaml12 import dump_flow

    return dump_flow(value)
