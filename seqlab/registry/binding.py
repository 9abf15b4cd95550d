"""A component with its options, ready to be built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from pydantic_core import to_jsonable_python

from seqlab.contracts import offered
from seqlab.errors import Complaint, ExperimentError, PluginError, RunFailed, SeqlabError
from seqlab.experiment.located import Located
from seqlab.interrupts import reraise_interrupt
from seqlab.memory import is_out_of_memory, largest, requested_size, what_to_lower
from seqlab.registry.error_summary import raised_in_core
from seqlab.registry.named_files import named_files
from seqlab.registry.option_tree import leaves, replaced
from seqlab.registry.plugins import Component


class Bound:
    """A component with its options, ready to be built: the factory that an author is given.

    Args:
        component: what is built.
        options: of its factory; some may be bound components themselves.
        written: what names it, with the options that are written and where they are.
        key: its dotted key in an experiment.
        part_keys: values of the keys that the core reads of a component inside another one.
        offered: what the one around it was built with, by name; it gets what its factory names.
    """

    def __init__(
        self,
        component: Component,
        options: Mapping[str, Any],
        written: Located,
        key: str,
        part_keys: Mapping[str, Any] | None = None,
        offered: Mapping[str, Any] | None = None,
    ) -> None:
        self.component, self.options, self.written, self.key = component, options, written, key
        self.part_keys, self.offered = part_keys or {}, offered or {}

    @property
    def where(self) -> str:
        """Where it is named: a location in a file, or an override."""
        return str(self.written.origin)

    def __call__(self, *supplied: Any, **offered: Any) -> Any:
        """Build the component as a part of another one.

        What that one was built with is offered to it, too; `offered` adds to it or replaces it.

        Raises:
            TypeError: it is given other arguments than its kind takes.
        """
        kind = self.component.of
        if unknown := sorted(offered.keys() - {*kind.offers}):
            raise TypeError(f"'{self.key}' is called with {unknown[0]}, which no {kind.name} takes")
        if len(supplied) != len(kind.supplied):
            raise TypeError(
                f"'{self.key}' is called with {len(supplied)} arguments; a {kind.name} is given"
                f" ({', '.join(kind.supplied)})"
            )
        if kind.part is None or not self.part_keys:
            return self.build(*supplied, **offered)
        return kind.part(partial(self.build, *supplied, **offered), self.part_keys)

    @property
    def parts(self) -> list[Bound]:
        """The components in its options."""
        everything = leaves([self.options, self.part_keys])
        return [leaf for leaf in everything if isinstance(leaf, Bound)]

    def everything(self) -> Iterator[Bound]:
        """Yield it and its parts, at any depth."""
        yield self
        for part in self.parts:
            yield from part.everything()

    @property
    def wants(self) -> set[str]:
        """What its factory, or one of its parts, asks for of what kinds offer."""
        return {name for bound in self.everything() for name in bound.component.signature.wanted}

    def build(self, *supplied: Any, **offered: Any) -> Any:
        """Call the factory, with what it names of all that is offered.

        Raises:
            ExperimentError: the component refuses its options (it raised ValueError).
            RunFailed: out of memory.
            PluginError: it failed in any other way, what it made lacks a method, or it needs what
                is not offered.
        """
        everything = {**self.offered, **offered}
        wanted, options = self._wanted(everything), offering(dict(self.options), everything)
        with self.attributed():
            try:
                part = self.component.factory(*supplied, **wanted, **options)
            except ValueError as error:
                if is_out_of_memory(error):
                    raise
                complaint = Complaint(self.where, self.key, str(error))
                raise ExperimentError([complaint]) from error
        self._check(part)
        return part

    def _wanted(self, offered: Mapping[str, Any]) -> dict[str, Any]:
        signature = self.component.signature
        missing = [n for n in signature.wanted if n not in offered and n not in signature.optional]
        if missing:
            raise PluginError(
                f"{self.component} asks for `{missing[0]}`, which is not offered at '{self.key}'"
            )
        return {name: offered[name] for name in signature.wanted if name in offered}

    def _check(self, part: Any) -> None:
        """Check that a part is of its kind."""
        kind = self.component.of
        missing = [[name for name in form if not hasattr(part, name)] for form in kind.methods]
        if missing and all(missing):
            text = " or ".join(" and ".join(f"`{name}`" for name in form) for form in missing)
            raise PluginError(
                f"{self.component} lacks the method {text}, which every {kind.name} has (see"
                " seqlab.contracts)"
            )
        if kind.problem and (problem := kind.problem(part)):
            raise PluginError(f"{self.component} {problem}")

    @contextmanager
    def attributed(self) -> Iterator[None]:
        """Name this component in any error of its code.

        Raises:
            RunFailed: out of memory.
            PluginError: for any other exception that is no `SeqlabError`.
        """
        try:
            yield
        except SeqlabError:
            raise
        except BaseException as error:
            reraise_interrupt(error)
            if isinstance(error, GeneratorExit) and raised_in_core(error):
                raise  # the reader of the documents stopped early
            if is_out_of_memory(error):
                raise self._out_of_memory(error) from error
            failure = f"{type(error).__name__}: {error}"
            raise PluginError(f"{self.component} failed: {failure}") from error

    def _out_of_memory(self, error: BaseException) -> RunFailed:
        """Name the likely reason: the option with the largest number."""
        option, size = largest(self.options), requested_size(error)
        needs = "needs more memory than there is" + (f" ({size})" if size else "")
        needs += what_to_lower({f"{self.key}.{name}": v for name, v in self.options.items()})
        message = f"{self.options[option]:,} is too large: it {needs}" if option else needs
        key = ".".join(filter(None, (self.key, option)))
        return RunFailed(str(Complaint(self.where, key, message)))

    def identity(self, exclude: Iterable[Path] = ()) -> dict[str, Any] | None:
        """JSON values that its behaviour follows from; None: they cannot be known.

        These are its name, its options, the files that they name (except those in `exclude`), its
        code and data, and the versions of the libraries that it imports.
        """
        needs, files = self.component.dependencies(), named_files(self.options, exclude)
        inner = [part.identity(exclude) for part in self.parts]
        if not needs.known or files is None or None in inner:
            return None
        parts = {"code": needs.code, "data": needs.data, "libraries": needs.libraries}
        return {**self.as_section(), **parts, "files": files} | ({"inner": inner} if inner else {})

    def is_default(self, name: str | None) -> bool:
        """Return whether it is the component `name` with every option at its default."""
        options = self.component.signature.options
        defaults = all(options[key].default == value for key, value in self.options.items())
        return self.component.name == name and defaults

    def as_section(self) -> dict[str, Any]:
        """The section of an experiment that gives this component and these options.

        Options that came later are left out where they have their defaults, so that an experiment
        from before has the hash that it had.
        """
        options = {k: v for k, v in self.options.items() if not self._came_later(k, v)}
        return {"name": self.component.name, **as_written({**options, **self.part_keys})}

    def _came_later(self, option: str, value: Any) -> bool:
        later = offered(self.component.factory, "later_options") or ()
        known = self.component.signature.options
        return option in later and option in known and bool(known[option].default == value)


def as_written(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as JSON values; a bound component becomes its section, or its mere name."""
    plain = to_jsonable_python(dict(options), fallback=_part_as_written)
    return cast("dict[str, Any]", plain)


def offering(value: Any, offered: Mapping[str, Any]) -> Any:
    """Return a value in which every bound component is offered what the one around it was."""

    def offer(leaf: Any) -> Any:
        if not isinstance(leaf, Bound):
            return leaf
        keys = offering(leaf.part_keys, offered)
        return Bound(leaf.component, leaf.options, leaf.written, leaf.key, keys, offered)

    return replaced(value, offer) if offered else value


def _part_as_written(part: Bound) -> dict[str, Any] | str:
    section = part.as_section()
    return section if len(section) > 1 else part.component.name
