"""The signature is the schema: what a factory's parameters say about its options."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import re
import sys
import typing
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType, GenericAlias, SimpleNamespace
from typing import Any

import docstring_parser
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_json
from pydantic_core.core_schema import DataclassSchema

from seqlab.experiment.sections import CORE_KEYS

REQUIRED = inspect.Parameter.empty


class SignatureError(ValueError):
    """Seqlab cannot call a factory with this signature, or cannot check its options."""


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
        """Validates a tuple of one value: inside a tuple, the config applies to a dataclass."""
        annotation: Any = GenericAlias(tuple, (self.annotation,))
        return TypeAdapter(annotation, config=ConfigDict(extra="forbid"))

    def check(self, value: Any) -> Any:
        """Validate a plain value without converting its type; raises ValidationError."""
        return self._adapter.validate_json(json.dumps([value]), strict=True)[0]

    def type_name(self) -> str:
        """The type without `Annotated` and module names."""
        return _schema_type(self.schema, self.schema.get("$defs", {}))

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


@dataclass(frozen=True)
class Signature:
    """What a factory is called with: `supplied` by seqlab, `options` by the experiment."""

    supplied: tuple[str, ...]
    options: Mapping[str, Option]
    summary: str
    factory: Callable[..., Any]

    @property
    def location(self) -> str:
        """File and line of the definition; empty if unknown."""
        try:
            target = self.factory if isinstance(self.factory, type) else _function(self.factory)
            return f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]}"
        except (OSError, TypeError):
            return ""


class _SchemaWithHelp(GenerateJsonSchema):
    """Describes the keys of a dataclass with the `Args:` of its docstring."""

    def dataclass_schema(self, schema: DataclassSchema) -> dict[str, Any]:
        described = super().dataclass_schema(schema)
        summary = _summary(schema["cls"])
        if not summary.startswith(f"{schema['cls'].__name__}("):  # a docstring made by Python
            described["description"] = summary
        for name, text in _documentation(schema["cls"]).items():
            described["properties"].get(name, {}).setdefault("description", text)
        return described


def read_signature(
    factory: Callable[..., Any], supplied: Sequence[str] = (), reserved: Sequence[str] = ()
) -> Signature:
    """Read the options of a class or function.

    `supplied` are the positional parameters that seqlab passes; no option is in `reserved`.

    Raises:
        SignatureError: seqlab cannot call it, or cannot check an option.
    """
    if not callable(factory):
        raise SignatureError(f"is of type {type(factory).__name__}, not a class or function")
    # The cache compares: other callables, and classes of other metaclasses, may define equality.
    read = _read if type(factory) in (type, ABCMeta, FunctionType) else _read.__wrapped__
    return read(factory, tuple(supplied), tuple(reserved))


@functools.lru_cache(maxsize=1024)
def _read(
    factory: Callable[..., Any], supplied: tuple[str, ...], reserved: tuple[str, ...]
) -> Signature:
    try:
        own = not _has_protocol_init(factory)
        parameters = inspect.signature(factory).parameters.values() if own else ()
    except (ValueError, TypeError, NameError) as error:
        raise SignatureError(f"has no signature that can be read ({error})") from None
    _check_positional(parameters, supplied)
    options = _options(factory, [p for p in parameters if p.kind is p.KEYWORD_ONLY])
    for name in options:
        if name in {"name", *reserved}:
            raise SignatureError(f"has an option '{name}': seqlab itself reads that key")
    return Signature(supplied, options, _summary(factory), factory)


def read_fields(cls: type) -> Signature:
    """Read a dataclass inside an option: every field is a key, positional ones too."""
    options = _options(cls, inspect.signature(cls).parameters.values())
    return Signature((), options, _summary(cls), cls)


def _options(
    factory: Callable[..., Any], parameters: Iterable[inspect.Parameter]
) -> dict[str, Option]:
    namespace, texts = _namespace(factory), _documentation(factory)
    fields = dataclasses.fields(factory) if dataclasses.is_dataclass(factory) else ()
    makers = {f.name: f.default_factory for f in fields if callable(f.default_factory)}
    return {
        p.name: _read_option(
            p, makers[p.name]() if p.name in makers else p.default, namespace, texts
        )
        for p in parameters
    }


@functools.cache
def core_names(kind: str) -> tuple[str, ...]:
    """The keys that the core reads in every section of a kind."""
    keys = CORE_KEYS.get(kind)
    return tuple(read_signature(keys).options) if keys else ()


def _check_positional(parameters: Iterable[inspect.Parameter], supplied: tuple[str, ...]) -> None:
    names = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            raise SignatureError(f"takes **{parameter.name}: name each option")
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise SignatureError(f"takes *{parameter.name}: name each parameter")
        if parameter.kind is not parameter.KEYWORD_ONLY:
            names.append(parameter.name)
    if tuple(names) != supplied:
        expected = ", ".join((*supplied, "*", "options"))
        hint = " (put an * before the first option)" if len(names) > len(supplied) else ""
        raise SignatureError(
            f"should take ({expected}), but its positional parameters are:"
            f" {', '.join(names) or 'none'}{hint}"
        )


def _read_option(
    parameter: inspect.Parameter, default: Any, namespace: dict[str, Any], texts: Mapping[str, str]
) -> Option:
    name = parameter.name
    if parameter.annotation is parameter.empty:
        raise SignatureError(f"has an option '{name}' without a type")
    holder = SimpleNamespace(__annotations__={name: parameter.annotation})
    try:
        annotation = typing.get_type_hints(holder, namespace, include_extras=True)[name]
        option = Option(name, annotation, default, texts.get(name, ""))
        if not option.required:
            option.check(json.loads(to_json(default)))
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise SignatureError(
            f"has an option '{name}' whose default {default!r} is refused by its own"
            f" type: {problem}"
        ) from None
    except Exception as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = f"has an option '{name}' whose type cannot be used: {first_line}"
        raise SignatureError(message) from None
    return option


def _function(factory: Callable[..., Any]) -> Any:
    """The function that defines the signature; its module resolves the annotations."""
    if isinstance(factory, type):
        return inspect.getattr_static(factory, "__init__")
    if isinstance(factory, functools.partial):
        return _function(factory.func)
    return inspect.unwrap(factory)


def _has_protocol_init(factory: Callable[..., Any]) -> bool:
    """Whether a class inherits the `__init__(*args, **kwargs)` that every Protocol gets."""
    if not isinstance(factory, type):
        return False
    owner = next(cls for cls in factory.__mro__ if "__init__" in vars(cls))
    return bool(getattr(owner, "_is_protocol", False)) and owner is not factory


def _namespace(factory: Callable[..., Any]) -> dict[str, Any]:
    module = sys.modules.get(getattr(factory, "__module__", ""))
    return {**vars(module or SimpleNamespace()), **getattr(_function(factory), "__globals__", {})}


def _documentation(factory: Callable[..., Any]) -> dict[str, str]:
    """Help for options: from the docstring's `Args:`, or the summary if it has `NAME`."""
    docs = (factory.__doc__, getattr(_function(factory), "__doc__", None))
    parsed = [docstring_parser.parse(inspect.cleandoc(doc)) for doc in docs if doc]
    summary = _summary(factory)
    in_summary = dict.fromkeys(re.findall(r"`(\w+)`", summary), summary)
    return in_summary | {
        param.arg_name: " ".join((param.description or "").split())
        for doc in parsed
        for param in doc.params
    }


def _summary(factory: Callable[..., Any]) -> str:
    """The first paragraph of its own docstring, not of an inherited one."""
    target = _function(factory) if isinstance(factory, functools.partial) else factory
    return inspect.cleandoc(target.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def _schema_type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _schema_type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_schema_type(s, definitions) for s in schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return " | ".join(str(v) for v in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_schema_type(schema.get('items', {}), definitions)}"
    return str(schema.get("format") or schema.get("type") or "any").replace("string", "text")
