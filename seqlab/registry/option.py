"""One option of a component: its type, its check, its JSON Schema and its help."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import GenericAlias
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python
from pydantic_core.core_schema import DataclassSchema

from seqlab.factories import KIND
from seqlab.registry.docstrings import option_texts, summary_of

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
        of_tuple = self._adapter.json_schema(schema_generator=_SchemaWithHelp)
        schema: dict[str, Any] = of_tuple["prefixItems"][0]
        return schema | ({"$defs": of_tuple["$defs"]} if "$defs" in of_tuple else {})

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return _adapter(self.annotation, ConfigDict(extra="forbid"))

    @cached_property
    def _strict_adapter(self) -> TypeAdapter[Any]:
        """Checks the defaults of a dataclass's fields, too, since they may name components."""
        return _adapter(self.annotation, ConfigDict(extra="forbid", validate_default=True))

    def check(self, value: Any) -> Any:
        """Validate a plain value without converting its type; raises ValidationError."""
        adapter = self._strict_adapter if self.names_components else self._adapter
        return adapter.validate_json(json.dumps([value]), strict=True)[0]

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


def _adapter(annotation: Any, config: ConfigDict) -> TypeAdapter[Any]:
    """Validates a tuple of one value: inside a tuple, the config applies to a dataclass."""
    of_tuple: Any = GenericAlias(tuple, (annotation,))
    return TypeAdapter(of_tuple, config=config)


class _SchemaWithHelp(GenerateJsonSchema):
    """Describes the keys of a dataclass with the `Args:` of its docstring."""

    def encode_default(self, dft: Any) -> Any:
        return to_jsonable_python(dft)  # the default of a component has no type that pydantic knows

    def dataclass_schema(self, schema: DataclassSchema) -> dict[str, Any]:
        described = super().dataclass_schema(schema)
        summary = summary_of(schema["cls"])
        if not summary.startswith(f"{schema['cls'].__name__}("):  # a docstring made by Python
            described["description"] = summary
        for name, text in option_texts(schema["cls"]).items():
            described["properties"].get(name, {}).setdefault("description", text)
        return described


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
