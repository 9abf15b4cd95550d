"""A component under test, and the result of a check."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from seqlab.errors import SeqlabError, UsageError
from seqlab.experiment.kinds import KINDS, Kind
from seqlab.interrupts import detecting_ctrl_c, reraise_interrupt
from seqlab.registry import Registry, load_plugins
from seqlab.registry.binding import offering
from seqlab.registry.option import Option
from seqlab.registry.plugins import Component
from seqlab.registry.signature import Signature, SignatureError, component_signature
from seqlab.testing.parts import bound_parts

PAGE = "docs/conformance.md"
"""Its sections have the names of the checks: what is promised, and why."""


class Broken(AssertionError):
    """A broken promise: one line with what was expected and seen, and one more for each detail."""

    def __init__(self, expected: str, seen: object, details: Sequence[str] = ()) -> None:
        self.expected = expected
        self.seen = " ".join(str(seen).split())
        super().__init__("\n".join((f"expected {expected}; seen: {self.seen}", *details)))


class NotApplicable(Exception):
    """A check does not apply to a component; the message says why."""


def expect(held: bool, expected: str, seen: object) -> None:
    """Raise `Broken` unless a promise is held."""
    if not held:
        raise Broken(expected, seen)


@dataclass(frozen=True)
class Subject:
    """What a check is given: a factory and its options."""

    kind: str
    name: str
    factory: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    declaration: Kind | None = None  # of a kind that is not seqlab's own
    registry: Registry | None = None  # of the components that options name; None: of all plugins

    @classmethod
    def of(cls, kind: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> Subject:
        """Take a factory of a test, and check its options as those of an experiment.

        Raises:
            UsageError: the kind is unknown, the factory is an object instead of its class, or it
                does not have or accept an option.
        """
        if kind not in KINDS:
            raise UsageError(f"unknown kind '{kind}'; there are {', '.join(KINDS)}")
        name = getattr(factory, "__name__", type(factory).__name__)
        subject = cls(kind, name, factory)
        if not subject.is_a_factory:
            raise UsageError(f"{subject} is an object, not a class or function: give what makes it")
        return subject.with_options(options)

    @classmethod
    def of_component(
        cls, component: Component, options: Mapping[str, Any], registry: Registry | None = None
    ) -> Subject:
        """Take a component that a plugin registered."""
        subject = cls(component.kind, component.name, component.factory, {}, component.of, registry)
        return subject.with_options(options)

    def with_options(self, options: Mapping[str, Any]) -> Subject:
        """The same factory with other options, checked and converted to their types."""
        try:
            known = self.signature.options
        except SignatureError:  # a check reports it
            known = {}
        unknown = options.keys() - known.keys()
        if known and unknown:
            has = ", ".join(known) or "none"
            raise UsageError(f"{self} has no option '{min(unknown)}' (its options: {has})")
        try:
            plain = {key: to_jsonable_python(value) for key, value in options.items()}
            checked = {k: _checked(known.get(k), v) for k, v in plain.items()}
        except ValidationError as error:
            raise UsageError(f"{self}: {error.errors()[0]['msg']} ({dict(options)})") from None
        return replace(self, options=checked)

    @property
    def is_a_factory(self) -> bool:
        """Whether it is a class or a function, or an object that is called like one."""
        if inspect.isclass(self.factory) or inspect.isroutine(self.factory):
            return True
        try:
            return bool(self.signature)
        except SignatureError:
            return isinstance(self.factory, partial)

    @cached_property
    def signature(self) -> Signature:
        """Read from the factory when it is asked for, so that a check can report its mistakes."""
        kind = self.declaration or KINDS[self.kind]
        return component_signature(self.factory, kind)

    @cached_property
    def parts(self) -> dict[str, Any]:
        """The options that name components, bound."""
        options = {n: o for n, o in self.signature.options.items() if o.names_components}
        if not options:
            return {}
        return bound_parts(options, self.options, str(self), self.registry or load_plugins())

    def build(self, *supplied: Any, **offered: Any) -> Any:
        """Call the factory with what seqlab supplies, and what it names of all that is offered."""
        values = {**self.options, **offering(self.parts, offered)}
        values |= {name: offered[name] for name in self.signature.wanted if name in offered}
        for option in self.signature.options.values():
            if option.required and option.name not in values:
                raise NotApplicable(f"option '{option.name}' has no default; give it a value")
        return self.factory(*supplied, **values)

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"


def _checked(option: Option | None, value: Any) -> Any:
    """A value of its type; one that names components stays as it is written, to be bound later."""
    checked = option.check(value) if option else value
    return value if option and option.names_components else checked


Check: TypeAlias = Callable[[Subject], None]
"""Its name and docstring state a promise; it raises `Broken` where the promise is not kept."""


@dataclass(frozen=True)
class Result:
    """`verdict` is kept, broken or skipped; `message` says what is broken, or why it is skipped."""

    check: str
    verdict: str
    message: str = ""


@detecting_ctrl_c()
def verify(check: Check, subject: Subject) -> None:
    """Run one check.

    Raises:
        Broken: the promise is not kept, or the component raised an error.
        NotApplicable: there is nothing to check.
    """
    where = f"; why: {PAGE}#{check.__name__}"
    try:
        check(subject)
    except Broken as broken:
        raise Broken(broken.expected, broken.seen + where) from broken
    except NotApplicable:
        raise
    except BaseException as error:  # the component raised it, the check only calls it
        reraise_interrupt(error)
        seen = error if isinstance(error, SeqlabError) else f"{type(error).__name__}: {error}"
        promise = (inspect.getdoc(check) or "").partition("\n\n")[0].replace("\n", " ")
        expected = f"no error while checking this: {promise.rstrip('.')}"
        raise Broken(expected, f"{seen}{where}") from error


def look_at(check: Check, subject: Subject) -> Result:
    """Run one check and return its result."""
    try:
        verify(check, subject)
    except Broken as broken:
        return Result(check.__name__, "broken", str(broken))
    except NotApplicable as reason:
        return Result(check.__name__, "skipped", str(reason))
    return Result(check.__name__, "kept")
