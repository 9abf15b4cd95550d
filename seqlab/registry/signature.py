"""The signature is the schema: what a factory's parameters say about its options."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import sys
import typing
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType, SimpleNamespace
from typing import Any

from pydantic_core import ValidationError, to_json

from seqlab.experiment.kinds import Kind
from seqlab.registry.docstrings import declaring, defining_function, option_texts, summary_of
from seqlab.registry.option import Option


class SignatureError(ValueError):
    """Seqlab cannot call a factory with this signature, or cannot check its options."""


@dataclass(frozen=True)
class Signature:
    """What a factory is called with: `options` by the experiment, the rest by seqlab.

    `supplied` are passed by their place, `wanted` by name: those of the kind's offers that the
    factory names. Of the latter, `optional` have a default, so they may be missing.
    """

    supplied: tuple[str, ...]
    options: Mapping[str, Option]
    summary: str
    factory: Callable[..., Any]
    wanted: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()

    @property
    def given(self) -> tuple[str, ...]:
        """The names of all that seqlab passes."""
        return (*self.supplied, *self.wanted)

    @cached_property
    def location(self) -> str:
        """File and line of the definition; empty if unknown."""
        try:
            target = (
                self.factory if isinstance(self.factory, type) else defining_function(self.factory)
            )
            return f"{inspect.getsourcefile(target)}:{inspect.findsource(target)[1] + 1}"
        except (OSError, TypeError):
            return ""


def component_signature(factory: Callable[..., Any], kind: Kind) -> Signature:
    """Read a factory of a kind; raise as `read_signature` does."""
    return read_signature(factory, kind.supplied, tuple(core_options(kind)), kind.offers)


def read_signature(
    factory: Callable[..., Any],
    supplied: Sequence[str] = (),
    reserved: Sequence[str] = (),
    offers: Sequence[str] = (),
) -> Signature:
    """Read the options of a class or function.

    `supplied` are the positional parameters that seqlab passes; after them any of `offers` may
    come. No option is in `reserved`.

    Raises:
        SignatureError: seqlab cannot call it, or cannot check an option.
    """
    if not callable(factory):
        raise SignatureError(f"is of type {type(factory).__name__}, not a class or function")
    # The cache compares: other callables, and classes of other metaclasses, may define equality.
    read = _read if type(factory) in (type, ABCMeta, FunctionType) else _read.__wrapped__
    return read(factory, tuple(supplied), tuple(reserved), tuple(offers))


@functools.lru_cache(maxsize=1024)
def _read(
    factory: Callable[..., Any],
    supplied: tuple[str, ...],
    reserved: tuple[str, ...],
    offers: tuple[str, ...],
) -> Signature:
    try:
        own = not _has_protocol_init(factory)
        parameters = inspect.signature(factory).parameters.values() if own else ()
    except (ValueError, TypeError, NameError) as error:
        raise SignatureError(f"has no signature that can be read ({error})") from None
    wanted = _wanted(parameters, supplied, offers)
    options = _options(factory, [p for p in parameters if p.kind is p.KEYWORD_ONLY])
    for name in options:
        if name in {"name", *reserved}:
            raise SignatureError(f"has an option '{name}': seqlab itself reads that key")
    optional = {p.name for p in wanted if p.default is not p.empty}
    names = tuple(p.name for p in wanted)
    return Signature(supplied, options, summary_of(factory), factory, names, frozenset(optional))


def read_fields(cls: type) -> Signature:
    """Read a dataclass inside an option: every field is a key, positional ones too."""
    options = _options(cls, inspect.signature(cls).parameters.values())
    return Signature((), options, summary_of(cls), cls)


def _options(
    factory: Callable[..., Any], parameters: Iterable[inspect.Parameter]
) -> dict[str, Option]:
    namespace, texts = _namespace(factory), option_texts(factory)
    fields = dataclasses.fields(factory) if dataclasses.is_dataclass(factory) else ()
    makers = {f.name: f.default_factory for f in fields if callable(f.default_factory)}
    return {
        p.name: _read_option(
            p, makers[p.name]() if p.name in makers else p.default, namespace, texts
        )
        for p in parameters
    }


def core_options(kind: Kind) -> Mapping[str, Option]:
    """The keys that the core reads in the section of a kind, whatever the component."""
    return read_signature(kind.section.keys).options if kind.section.keys else {}


def _wanted(
    parameters: Iterable[inspect.Parameter], supplied: tuple[str, ...], offers: tuple[str, ...]
) -> list[inspect.Parameter]:
    """Check the parameters that seqlab passes; return those that are of `offers`."""
    positional = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            raise SignatureError(f"takes **{parameter.name}: name each option")
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise SignatureError(f"takes *{parameter.name}: name each parameter")
        if parameter.kind is not parameter.KEYWORD_ONLY:
            positional.append(parameter)
    names, wanted = [p.name for p in positional], positional[len(supplied) :]
    if tuple(names[: len(supplied)]) != supplied or any(p.name not in offers for p in wanted):
        raise SignatureError(_wrong_parameters(names, supplied, offers))
    for parameter in wanted:
        if parameter.kind is parameter.POSITIONAL_ONLY:
            name = parameter.name
            raise SignatureError(f"takes {name} before a /; seqlab passes it by name: put / before")
    return wanted


def _wrong_parameters(
    names: Sequence[str], supplied: tuple[str, ...], offers: tuple[str, ...]
) -> str:
    expected = ", ".join((*supplied, "*", "options"))
    more = f", and may name {' and '.join(offers)} before the *" if offers else ""
    hint = " (put an * before the first option)" if len(names) > len(supplied) else ""
    return (
        f"should take ({expected}){more}, but its positional parameters are:"
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


def _has_protocol_init(factory: Callable[..., Any]) -> bool:
    """Whether a class inherits the `__init__(*args, **kwargs)` that every Protocol gets."""
    if not isinstance(factory, type):
        return False
    owner = next(cls for cls in factory.__mro__ if "__init__" in vars(cls))
    return bool(getattr(owner, "_is_protocol", False)) and owner is not factory


def _namespace(factory: Callable[..., Any]) -> dict[str, Any]:
    """The names in its types: of its module, and of those that declare fields it inherits."""
    names: dict[str, Any] = {}
    for owner in declaring(factory):
        names |= vars(sys.modules.get(getattr(owner, "__module__", ""), SimpleNamespace()))
    return names | getattr(defining_function(factory), "__globals__", {})
