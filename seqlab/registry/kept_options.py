"""Signatures -> JSON that is kept, and back: stand-ins that can be checked but not called."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from pydantic_core import SchemaError, SchemaValidator

from seqlab.experiment.kinds import KINDS
from seqlab.factories import KIND, Default
from seqlab.registry import kept_types
from seqlab.registry.kept_types import NotKept
from seqlab.registry.option import REQUIRED, Option
from seqlab.registry.signature import Signature, SignatureError, read_fields

Kept: TypeAlias = dict[str, Any]
Real: TypeAlias = Callable[[], Signature]
"""Imports the plugin, and returns the signature of its component."""
_JSON = (bool, int, float, str, type(None))


@dataclass(frozen=True, kw_only=True)
class KeptOption(Option):
    """What is known of an option without its type.

    `checks` is an encoded schema; None: the type must be had, from `real`.
    """

    annotation: Any = None
    json_schema: Kept
    shown_type: str
    shown_bounds: str
    checks: Any
    real: Real

    @property
    def schema(self) -> Kept:
        return self.json_schema

    @cached_property
    def _validator(self) -> SchemaValidator | None:
        config: Any = {"extra_fields_behavior": "forbid", "validate_default": self.names_components}
        if self.checks is None:
            return None
        try:
            return SchemaValidator(kept_types.decode(self.checks, _decode_class), config)
        except (SchemaError, NotKept, TypeError, ValueError):  # it is not what `encode` returns
            return None

    def check(self, value: Any) -> Any:
        if self._validator is None:
            return self.real().options[self.name].check(value)
        return self._validator.validate_json(json.dumps([value]), strict=True)[0]

    def type_name(self) -> str:
        return self.shown_type

    def bounds(self) -> str:
        return self.shown_bounds


@dataclass(frozen=True, kw_only=True)
class KeptSignature(Signature):
    """A signature whose factory was not imported."""

    place: str

    @property
    def location(self) -> str:
        return self.place


@dataclass(frozen=True)
class StandIn:
    """Takes the place of a factory that was not imported; `documents` is that of a sampler."""

    label: str
    documents: str | None = None

    def __call__(self, *_: object, **__: object) -> Any:
        raise TypeError(f"{self.label} was not imported: load_plugins() imports it")


def encode(signature: Signature) -> Kept:
    """Return a signature as JSON values.

    Raises:
        NotKept: a default is of a type that is not kept.
    """
    documents = getattr(signature.factory, "documents", None)
    return {
        "summary": signature.summary,
        "place": signature.location,
        "supplied": list(signature.supplied),
        "wanted": list(signature.wanted),
        "optional": sorted(signature.optional),
        "documents": documents if isinstance(documents, str) else None,
        "options": [encode_option(option) for option in signature.options.values()],
    }


def encode_option(option: Option, *, default: bool = True) -> Kept:
    """Return an option as JSON values; with `default` False without its default."""
    try:
        checks = kept_types.encode(option.adapter.core_schema, _encode_class)
    except NotKept:
        checks = None  # its plugin is imported where a value is given
    _check_schema(option.schema)
    kept = {"name": option.name, "help": option.help, "schema": option.schema, "checks": checks}
    kept |= {"type": option.type_name(), "bounds": option.bounds()}
    if default and not option.required:
        kept["default"] = _encode_value(option.default)
    return kept


def _encode_value(value: Any) -> Any:
    """JSON has no paths, tuples and components: these become a mapping with their type."""
    if type(value) in _JSON:
        return value
    if type(value) is list:
        return [_encode_value(item) for item in value]
    if isinstance(value, Default) and _is_json(dict(value)):
        return {"component": dict(value)}
    if type(value) is tuple:
        return {"tuple": [_encode_value(item) for item in value]}
    if type(value) is type(Path()):
        return {"path": str(value)}
    if type(value) is dict and _is_json(value):
        return {"mapping": value}
    raise NotKept(f"its default {value!r:.80}")


def _is_json(value: Any) -> bool:
    """Whether a value comes back from JSON as it is."""
    if type(value) is dict:
        return all(type(key) is str and _is_json(item) for key, item in value.items())
    return all(map(_is_json, value)) if type(value) is list else type(value) in _JSON


def decode(kept: Any, label: str, real: Real) -> Signature:
    """Return a signature of the options that were encoded, with a stand-in as its factory.

    Raises:
        NotKept: it is not what `encode` returns.
    """
    options = [decode_option(item, real) for item in _of(kept, "options", list)]
    supplied, wanted, optional = (_names(kept, key) for key in ("supplied", "wanted", "optional"))
    documents = kept.get("documents")
    if not isinstance(documents, str | None):
        raise NotKept("documents")
    return KeptSignature(
        supplied,
        {option.name: option for option in options},
        _of(kept, "summary", str),
        StandIn(label, documents),
        wanted,
        frozenset(optional),
        place=_of(kept, "place", str),
    )


def decode_option(kept: Any, real: Real) -> KeptOption:
    """Return an option that was encoded; raises NotKept for anything else."""
    schema = _of(kept, "schema", dict)
    _check_schema(schema)
    return KeptOption(
        name=_of(kept, "name", str),
        default=_decode_value(kept["default"]) if "default" in kept else REQUIRED,
        help=_of(kept, "help", str),
        json_schema=schema,
        shown_type=_of(kept, "type", str),
        shown_bounds=_of(kept, "bounds", str),
        checks=kept.get("checks"),
        real=real,
    )


def _encode_class(cls: type) -> Kept:
    try:
        return {"name": cls.__name__, "signature": encode(read_fields(cls))}
    except SignatureError as error:
        raise NotKept(str(error)) from None


def _decode_class(kept: Any) -> type:
    """Make a dataclass with the same fields, and the signature that they were read as."""
    signature = decode(_of(kept, "signature", dict), "a dataclass", _no_real_signature)
    return dataclasses.make_dataclass(
        _of(kept, "name", str),
        [(name, Any) for name in signature.options],
        frozen=True,
        kw_only=True,
        namespace={"kept_signature": signature},
    )


def _no_real_signature() -> Signature:
    raise NotKept("a field of a dataclass is checked by the option around it")


def _decode_value(kept: Any, depth: int = 0) -> Any:
    if depth > kept_types.MAX_DEPTH:
        raise NotKept("a default that is too deep")
    if isinstance(kept, list):
        return [_decode_value(item, depth + 1) for item in kept]
    if not isinstance(kept, dict):
        return kept
    if len(kept) == 1:
        ((key, value),) = kept.items()
        if key == "component" and isinstance(value, dict) and isinstance(value.get("name"), str):
            return Default(value)
        if key == "tuple" and isinstance(value, list):
            return tuple(_decode_value(item, depth + 1) for item in value)
        if key == "path" and isinstance(value, str):
            return Path(value)
        if key == "mapping" and isinstance(value, dict):
            return value
    raise NotKept("a default of an unknown form")


def _check_schema(schema: Any, depth: int = 0) -> None:
    """Check what is relied on in a JSON Schema."""
    if depth > kept_types.MAX_DEPTH:
        raise NotKept("a schema that is too deep")
    for item in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(item, dict | list):
            _check_schema(item, depth + 1)
    if isinstance(schema, dict) and KIND in schema and schema[KIND] not in [*KINDS]:
        raise NotKept("a kind that seqlab does not have")
    if isinstance(schema, dict) and not isinstance(schema.get("$defs", {}), dict):
        raise NotKept("definitions that are no mapping")


def _of(kept: Any, key: str, cls: type) -> Any:
    value = kept.get(key) if isinstance(kept, dict) else None
    if type(value) is not cls:
        raise NotKept(f"{key} should be a {cls.__name__}")
    return value


def _names(kept: Kept, key: str) -> tuple[str, ...]:
    names = _of(kept, key, list)
    if not all(isinstance(name, str) for name in names):
        raise NotKept(f"{key} should be texts")
    return tuple(names)


def decode_keys(cls: type, kept: Any, real: Real) -> Signature:
    """Return the signature of a dataclass of the core: its defaults are those that it has."""
    options = {}
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for item in _of(kept, "options", list):
        option = decode_option(item, real)
        if option.name not in fields:
            raise NotKept(f"{cls.__name__} has no key {option.name}")
        options[option.name] = dataclasses.replace(option, default=_default(fields[option.name]))
    if options.keys() != fields.keys():
        raise NotKept(f"{cls.__name__} has other keys")
    summary, place = _of(kept, "summary", str), _of(kept, "place", str)
    return KeptSignature((), options, summary, cls, place=place)


def encode_keys(signature: Signature) -> Kept:
    """Return the signature of a dataclass of the core as JSON values, without its defaults."""
    options = [encode_option(option, default=False) for option in signature.options.values()]
    return {"summary": signature.summary, "place": signature.location, "options": options}


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED if field.default is dataclasses.MISSING else field.default
