"""One option of a component: its type, its check, its JSON Schema and its help."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from seqlab.factories import KIND

if TYPE_CHECKING:
    from pydantic import TypeAdapter

REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """One keyword-only parameter."""

    name: str
    annotation: Any
    default: Any = REQUIRED
    help: str = ""

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the value, with `$defs` if it needs any."""
        from seqlab.registry.json_schemas import SchemaWithHelp

        of_tuple = self._adapter.json_schema(schema_generator=SchemaWithHelp)
        schema: dict[str, Any] = of_tuple["prefixItems"][0]
        return schema | ({"$defs": of_tuple["$defs"]} if "$defs" in of_tuple else {})

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return _adapter(self.annotation, validate_default=False)

    @cached_property
    def _strict_adapter(self) -> TypeAdapter[Any]:
        """Checks the defaults of a dataclass's fields, too, since they may name components."""
        return _adapter(self.annotation, validate_default=True)

    @property
    def adapter(self) -> TypeAdapter[Any]:
        """Checks a tuple of one value, as JSON."""
        return self._strict_adapter if self.names_components else self._adapter

    def check(self, value: Any) -> Any:
        """Validate a plain value without converting its type; raises ValidationError."""
        return self.adapter.validate_json(json.dumps([value]), strict=True)[0]

    def type_name(self) -> str:
        """The type without `Annotated` and module names."""
        return _schema_type(self.schema, self.schema.get("$defs", {}))

    @cached_property
    def names_components(self) -> bool:
        """Whether its value is a component, or contains some."""
        return f'"{KIND}"' in json.dumps(self.schema)

    @property
    def names_files(self) -> bool:
        """Whether its value is a path, or contains paths."""
        return '"format": "path"' in json.dumps(self.schema)

    def bounds(self) -> str:
        """The bounds of a value: `> 0, < 1`."""
        formats = {
            "exclusiveMinimum": "> {}",
            "minimum": ">= {}",
            "exclusiveMaximum": "< {}",
            "maximum": "<= {}",
            "minLength": "at least {} characters",
            "pattern": "like {}",
        }
        branches = [self.schema, *self.schema.get("anyOf", [])]
        bounds = [
            text.format(b[key]) for b in branches for key, text in formats.items() if key in b
        ]
        return ", ".join(dict.fromkeys(bounds))


def _adapter(annotation: Any, *, validate_default: bool) -> TypeAdapter[Any]:
    """Validates a tuple of one value: inside a tuple, the config applies to a dataclass."""
    from pydantic import ConfigDict, TypeAdapter

    of_tuple: Any = GenericAlias(tuple, (annotation,))
    config = ConfigDict(extra="forbid")
    if validate_default:
        config["validate_default"] = True
    return TypeAdapter(of_tuple, config=config)


def _schema_type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if KIND in schema:
        return str(schema[KIND])
    if "$ref" in schema:
        return _schema_type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_schema_type(s, definitions) for s in schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return " | ".join(str(v) for v in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_schema_type(schema.get('items', {}), definitions)}"
    return str(schema.get("format") or schema.get("type") or "any").replace("string", "text")
