"""One component under test, and what a check says of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from seqlab.errors import SeqlabError, UsageError
from seqlab.interrupts import detecting_ctrl_c, reraise_interrupt
from seqlab.registry.kinds import KINDS
from seqlab.registry.plugins import Component
from seqlab.registry.signature import Signature, SignatureError, core_names, read_signature

PAGE = "docs/conformance.md"
"""Has a section for every check, under its name: what is promised, and why."""


class Broken(AssertionError):
    """A promise that a component does not keep: what was expected, and what was seen.

    That is one line; each of `details` is one more.
    """

    def __init__(self, expected: str, seen: object, details: Sequence[str] = ()) -> None:
        self.expected = expected
        self.seen = " ".join(str(seen).split())
        super().__init__("\n".join((f"expected {expected}; seen: {self.seen}", *details)))


class NotApplicable(Exception):
    """A check has nothing to say of this component; the message says why."""


def expect(held: bool, expected: str, seen: object) -> None:
    """Go on if a promise is kept.

    Raises:
        Broken: it is not.
    """
    if not held:
        raise Broken(expected, seen)


@dataclass(frozen=True)
class Subject:
    """A factory with its options, as a check is given it."""

    kind: str
    name: str
    factory: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> Subject:
        """Take a factory as a test has it; its options are checked as an experiment's would be.

        Raises:
            UsageError: no such kind, an object where its class was meant, or an option that the
                factory does not have or take.
        """
        if kind not in KINDS:
            raise UsageError(f"unknown kind '{kind}'; there are {', '.join(KINDS)}")
        name = getattr(factory, "__name__", type(factory).__name__)
        subject = cls(kind, name, factory)
        if not subject.is_a_factory:
            raise UsageError(f"{subject} is an object, not a class or function: give what makes it")
        return subject.with_options(options)

    @classmethod
    def of_component(cls, component: Component, options: Mapping[str, Any]) -> Subject:
        """Take a component that a plugin registered."""
        subject = cls(component.kind, component.name, component.factory)
        return subject.with_options(options)

    def with_options(self, options: Mapping[str, Any]) -> Subject:
        """The same factory with options, which are checked and turned into their types."""
        try:
            known = self.signature.options
        except SignatureError:  # a check will say so
            known = {}
        unknown = options.keys() - known.keys()
        if known and unknown:
            has = ", ".join(known) or "none"
            raise UsageError(f"{self} has no option '{min(unknown)}' (its options: {has})")
        try:
            plain = {key: to_jsonable_python(value) for key, value in options.items()}
            checked = {k: known[k].check(v) if k in known else v for k, v in plain.items()}
        except ValidationError as error:
            raise UsageError(f"{self}: {error.errors()[0]['msg']} ({dict(options)})") from None
        return Subject(self.kind, self.name, self.factory, checked)

    @property
    def is_a_factory(self) -> bool:
        """Not so of an object that was made already, unless it is called as a factory would be."""
        if inspect.isclass(self.factory) or inspect.isroutine(self.factory):
            return True
        try:
            return bool(self.signature)
        except SignatureError:
            return isinstance(self.factory, partial)

    @cached_property
    def signature(self) -> Signature:
        """Read anew from the factory, so that what is wrong with it is a check's to say."""
        return read_signature(self.factory, KINDS[self.kind].supplied, core_names(self.kind))

    def build(self, *supplied: Any) -> Any:
        """Call the factory with what seqlab supplies."""
        missing = [
            option.name
            for option in self.signature.options.values()
            if option.required and option.name not in self.options
        ]
        if missing:
            raise NotApplicable(f"option '{missing[0]}' has no default; give it a value")
        return self.factory(*supplied, **self.options)

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"


Check: TypeAlias = Callable[[Subject], None]
"""Its name and docstring say what is promised; it raises `Broken` where that is not kept."""


@dataclass(frozen=True)
class Result:
    """`verdict` is kept, broken or skipped; `message` says what is wrong, or why it is skipped."""

    check: str
    verdict: str
    message: str = ""


@detecting_ctrl_c()
def verify(check: Check, subject: Subject) -> None:
    """Run one check.

    Raises:
        Broken: the promise is not kept, or the component failed while it was looked at.
        NotApplicable: there is nothing to check.
    """
    where = f"; why: {PAGE}#{check.__name__}"
    try:
        check(subject)
    except Broken as broken:
        raise Broken(broken.expected, broken.seen + where) from broken
    except NotApplicable:
        raise
    except BaseException as error:  # it is the component's: a check only calls it
        reraise_interrupt(error)
        said = f"{type(error).__name__}: {error}" if not isinstance(error, SeqlabError) else error
        raise Broken(
            f"no error while checking this: {promise_of(check)}", f"{said}{where}"
        ) from error


def promise_of(check: Check) -> str:
    """What a check promises, in a sentence."""
    return (inspect.getdoc(check) or "").partition("\n\n")[0].replace("\n", " ").rstrip(".")


def look_at(check: Check, subject: Subject) -> Result:
    """Run one check, and say how it went."""
    try:
        verify(check, subject)
    except Broken as broken:
        return Result(check.__name__, "broken", str(broken))
    except NotApplicable as reason:
        return Result(check.__name__, "skipped", str(reason))
    return Result(check.__name__, "kept")
