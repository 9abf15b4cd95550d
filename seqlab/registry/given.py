"""Components that are given in Python, without a file: made into a plugin like any other."""

from __future__ import annotations

import ast
import builtins
import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any, TypeAlias

from seqlab.errors import UsageError
from seqlab.experiment.kinds import KINDS
from seqlab.hookspecs import EVENTS, hookimpl
from seqlab.registry.discovery import Found
from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import Plugin
from seqlab.registry.source_hashes import Home

log = logging.getLogger(__name__)

Given: TypeAlias = type | Mapping[str, Mapping[str, Callable[..., Any]]]
"""A class, whose kind its methods show and whose name is that of the class in snake_case; or a
mapping such as {"cells": {"mine": factory}}."""

Offers: TypeAlias = Mapping[str, Mapping[str, Callable[..., Any]]]
NAME = "given"


def given_plugin(given: Iterable[Given]) -> Found:
    """Return a plugin that offers all that is given, and what imports it.

    Raises:
        UsageError: it is neither a class of a kind, nor a mapping of names and factories.
    """
    offers: dict[str, dict[str, Callable[..., Any]]] = {}
    for each in given:
        for plural, factories in _offers(each).items():
            offers.setdefault(plural, {}).update(factories)
    for factories in offers.values():
        for name, factory in factories.items():
            if not _own_source(factory):
                log.warning(
                    "'%s' has no source that can be kept: a run with it is resumed only where it is"
                    " given again",
                    name,
                )
    source = _source(offers)
    if beside := ", ".join(sorted(_names_beside(source))):
        log.warning(
            "what is given uses %s, which its kept source does not have: a run with it is resumed"
            " only where it is given again",
            beside,
        )
    home = Home(NAME, source=source.encode())
    return Plugin(NAME, Path(f"{NAME}.py"), home=home), partial(_module, offers)


def _offers(given: Given) -> Offers:
    if isinstance(given, type):
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", given.__name__).lower()
        return {KINDS[_kind_of(given)].plural: {name: given}}
    if not isinstance(given, Mapping) or not all(isinstance(v, Mapping) for v in given.values()):
        expected = "a class, or a mapping such as {'cells': {'mine': factory}}"
        raise UsageError(f"plugins: should hold {expected}, not {given!r:.80}")
    plurals = {kind.plural for kind in KINDS.values()}
    if unknown := sorted(given.keys() - plurals):
        raise UsageError(f"plugins: there is no kind '{unknown[0]}'{suggest(unknown[0], plurals)}")
    return given


def _kind_of(cls: type) -> str:
    """The kind of a class: by the type of torch that it is, its methods, or its events."""
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        if issubclass(cls, torch.nn.Module):
            return _kind_of_module(cls)
        types = {
            "optimizer": torch.optim.Optimizer,
            "schedule": torch.optim.lr_scheduler.LRScheduler,
        }
        for name, expected in types.items():
            if issubclass(cls, expected):
                return name
    for kind in KINDS.values():
        if any(form and all(hasattr(cls, name) for name in form) for form in kind.methods):
            return kind.name
    if any(hasattr(cls, event) for event in EVENTS):
        return "observer"
    raise UsageError(
        f"plugins: the methods of {cls.__name__} are those of no kind; say which it is, as in"
        f" {{'cells': {{'mine': {cls.__name__}}}}}"
    )


def _kind_of_module(cls: type) -> str:
    """The kind of which a factory is supplied what a module's names; a cell if that is none's."""
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = inspect.signature(cls).parameters.values()
    supplied = tuple(p.name for p in parameters if p.kind in kinds)
    return next((k.name for k in KINDS.values() if supplied and k.supplied == supplied), "cell")


def _module(offers: Offers) -> ModuleType:
    module = ModuleType(NAME)
    for plural, factories in offers.items():
        setattr(module, f"seqlab_register_{plural}", _hook(factories))
    return module


def _hook(factories: Mapping[str, Any]) -> Any:
    return hookimpl(lambda: factories)


def _source(offers: Offers) -> str:
    """A file with the same components, as far as their source is known."""
    everything = [factory for factories in offers.values() for factory in factories.values()]
    imports = dict.fromkeys(line for factory in everything for line in _imports(factory))
    sources = dict.fromkeys(filter(None, map(_own_source, everything)))
    hooks = [_hook_source(plural, factories) for plural, factories in offers.items()]
    return "\n\n".join(["\n".join([*imports, "import seqlab"]), *sources, *hooks]) + "\n"


def _names_beside(source: str) -> set[str]:
    """The names that a source uses without a definition: helpers beside it, what it closes over."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:  # such as a lambda out of the middle of a line
        return set()
    names = [node for node in nodes if isinstance(node, ast.Name)]
    defined = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    defined |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.alias):
            defined.add((node.asname or node.name).partition(".")[0])
    return {node.id for node in names} - defined - {*dir(builtins)}


def _own_source(factory: Any) -> str:
    with suppress(OSError, TypeError):
        return dedent(inspect.getsource(factory))
    return ""


def _imports(factory: Any) -> Iterator[str]:
    """The imports at the top of the module that defines a factory."""
    with suppress(OSError, TypeError, SyntaxError):
        module = inspect.getmodule(factory)
        for node in ast.parse(inspect.getsource(module)).body if module else ():
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield ast.unparse(node)


def _hook_source(plural: str, factories: Mapping[str, Any]) -> str:
    names = [f"{name!r}: {getattr(f, '__name__', '…')}" for name, f in factories.items()]
    hook = f"def seqlab_register_{plural}():\n    return {{{', '.join(names)}}}"
    return f"@seqlab.hookimpl\n{hook}"
