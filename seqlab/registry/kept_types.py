"""What checks the values of an option -> JSON that is kept, and back.

Pydantic compiles a type to a schema of plain data. That schema is kept, without what it serialises
with, where every function and class in it is one of those known here; another is not kept.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seqlab import urls
from seqlab.experiment import interval, sections
from seqlab.experiment.kinds import KINDS
from seqlab.factories import PartCheck, part_schema

MAX_DEPTH = 60
_LEFT_OUT = {"metadata", "serialization", "ref"}
_KEYS: Mapping[str, str] = {  # of each node that is kept, besides its type
    "any": "",
    "none": "",
    "bool": "",
    "int": "gt ge lt le multiple_of",
    "float": "gt ge lt le multiple_of allow_inf_nan",
    "str": "min_length max_length pattern strict",
    "literal": "expected",
    "list": "items_schema min_length max_length",
    "tuple": "items_schema variadic_item_index min_length max_length",
    "dict": "keys_schema values_schema min_length max_length",
    "nullable": "schema",
    "union": "choices",
    "default": "schema default",
    "chain": "steps",
    "custom-error": "schema custom_error_type custom_error_message",
    "function-after": "function schema",
    "no-info": "function",
    "dataclass": "cls fields schema post_init frozen slots config",
    "dataclass-args": "dataclass_name fields computed_fields collect_init_only",
    "dataclass-field": "name schema init",
}


class NotKept(ValueError):
    """It cannot be kept, or what was kept is damaged."""


def _known() -> dict[str, Any]:
    """The functions and classes that a kept schema may name: those of the core's own options."""
    return {
        f"{module.__name__}.{name}": value
        for module in (sections, interval, urls)
        for name, value in vars(module).items()
        if isinstance(value, type | types.FunctionType) and value.__module__ == module.__name__
    }


KNOWN = _known()
_NAMES = {value: name for name, value in KNOWN.items()}


def encode(schema: Any, of_class: Callable[[type], Any]) -> Any:
    """Return a schema of pydantic as JSON values; `of_class` returns those of a dataclass.

    Raises:
        NotKept: it names a function or a class that is not known here, or is of another form.
    """
    if isinstance(schema, list):
        return [encode(item, of_class) for item in schema]
    if not isinstance(schema, dict):
        return _plain(schema)
    if schema.get("type") == "lax-or-strict" and _outline(schema) == _outline(PATH):
        return {"type": "path"}
    if schema.get("type") == "function-plain":
        return _part(schema)
    kept = {key: item for key, item in schema.items() if key not in _LEFT_OUT}
    if schema.get("type") == "dataclass" and schema["cls"] not in _NAMES:
        if schema.get("post_init") or schema.get("slots"):
            raise NotKept("a dataclass with code of its own")
        kept["cls"] = {"class": of_class(schema["cls"])}
        return _checked({k: v if k == "cls" else encode(v, of_class) for k, v in kept.items()})
    return _checked({key: encode(item, of_class) for key, item in kept.items()})


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, type | types.FunctionType) and value in _NAMES:
        return {"known": _NAMES[value]}
    raise NotKept(f"{value!r:.80} is not known")


def _part(schema: Mapping[str, Any]) -> dict[str, str]:
    check = schema["function"].get("function")
    if not isinstance(check, PartCheck) or check.kind not in KINDS:
        raise NotKept("a check of its own")
    return {"type": "part", "kind": check.kind}


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    """Check the keys of a node of a schema; a mapping without a type is a config."""
    if "type" not in schema:
        return schema
    name = schema["type"]
    keys = _KEYS.get(name) if isinstance(name, str) else None
    if keys is None or schema.keys() - {"type", *keys.split()}:
        raise NotKept(f"a schema of type {name!r:.40}")
    return schema


def decode(kept: Any, of_class: Callable[[Any], type], depth: int = 0) -> Any:
    """Return the schema that was encoded; `of_class` returns the dataclass that was.

    Raises:
        NotKept: it is not one that `encode` returns.
    """
    if depth > MAX_DEPTH:
        raise NotKept("it is too deep")
    if isinstance(kept, list):
        return [decode(item, of_class, depth + 1) for item in kept]
    if not isinstance(kept, dict):
        return kept
    if kept.keys() == {"known"}:
        return _of_name(kept["known"])
    if kept.keys() == {"class"}:
        return of_class(kept["class"])
    if kept == {"type": "path"}:
        return PATH
    if kept.get("type") == "part" and kept.get("kind") in [*KINDS]:
        return part_schema(kept["kind"])
    return {key: decode(item, of_class, depth + 1) for key, item in _checked(kept).items()}


def _of_name(name: Any) -> Any:
    if not isinstance(name, str) or name not in KNOWN:
        raise NotKept(f"{name!r:.80} is not known")
    return KNOWN[name]


def _function(function: Callable[[Any], Any], schema: Any) -> dict[str, Any]:
    called = {"type": "no-info", "function": function}
    return {"type": "function-after", "function": called, "schema": schema}


def _path_schema() -> dict[str, Any]:
    """What pydantic makes of `Path`; another version that makes something else is not kept."""

    def path_validator(text: str) -> Path:
        return Path(text)

    instance = {
        "type": "json-or-python",
        "json_schema": _function(path_validator, {"type": "str"}),
        "python_schema": {"type": "is-instance", "cls": Path},
    }
    text = _function(path_validator, {"type": "str", "strict": True})
    return {
        "type": "lax-or-strict",
        "lax_schema": {
            "type": "union",
            "choices": [instance, text],
            "custom_error_type": "path_type",
            "custom_error_message": f"Input is not a valid path for {Path}",
        },
        "strict_schema": instance,
    }


def _outline(schema: Any) -> Any:
    """A schema with the mere names of its functions, to be compared."""
    if isinstance(schema, dict):
        return {key: _outline(item) for key, item in schema.items() if key not in _LEFT_OUT}
    if isinstance(schema, list):
        return [_outline(item) for item in schema]
    return schema.__name__ if isinstance(schema, types.FunctionType) else schema


PATH = _path_schema()
