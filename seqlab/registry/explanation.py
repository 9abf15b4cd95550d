"""A resolved experiment in -> each key with its value, its origin and its reader."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import to_jsonable_python

from seqlab.experiment.kinds import SINGLE
from seqlab.experiment.located import Located
from seqlab.experiment.reading import Experiment
from seqlab.experiment.sections import CORE_SECTIONS
from seqlab.registry.binding import Bound
from seqlab.registry.catalogue import Registry
from seqlab.registry.option import Option
from seqlab.registry.resolving import Resolved
from seqlab.registry.signature import Signature, SignatureError, read_fields

CORE = "seqlab itself"


@dataclass(frozen=True)
class Explanation:
    """`origin` is a location in a file, an override, or the location of the default.

    `given` names what seqlab passes to a component.
    """

    key: str
    value: Any
    origin: str
    read_by: str
    type: str = ""
    bounds: str = ""
    help: str = ""
    given: str = ""


def explain(experiment: Experiment, resolved: Resolved, registry: Registry) -> list[Explanation]:
    """Return every key of a resolved experiment, with the origin of its value and its reader."""
    explainer, tree = _Explainer(registry), experiment.tree
    rows: list[Explanation] = []
    for kind in SINGLE:
        bound, core = getattr(resolved, kind), resolved.keys_of(kind)
        rows += explainer.component(kind, bound, _inside(tree, kind), core)
    for section, cls in CORE_SECTIONS.items():
        signature, settings = registry.signature_of(cls), getattr(resolved, section)
        written = _inside(tree, section)
        for name, value in vars(settings).items() if settings is not None else ():
            option, here = signature.options[name], _inside(written, name)
            rows += explainer.option(f"{section}.{name}", value, here, option, signature, CORE)
    observers = _inside(tree, "observers")
    for index, bound in enumerate(resolved.observers):
        rows += explainer.component(f"observers.{index}", bound, _inside(observers, index))
    return rows


@dataclass(frozen=True)
class _Explainer:
    registry: Registry

    def component(
        self,
        key: str,
        bound: Bound,
        written: Located | None,
        core: Mapping[str, Any] | None = None,
    ) -> Iterator[Explanation]:
        """The rows of a component; `core` has the keys that the core reads in its section."""
        component, signature = bound.component, bound.component.signature
        reader = f"{component} ({self.registry.plugin(component.plugin).origin})"
        named = _inside(written, "name") or written
        origin = str(named.origin) if named else "default of the section"
        given = ", ".join(signature.given)
        text = signature.summary
        yield Explanation(f"{key}.name", component.name, origin, reader, help=text, given=given)
        readers = [(bound.options, signature, reader)]
        if keys := core and component.of.section.keys:
            readers.append((core, self.registry.signature_of(keys), CORE))
        for values, signature, who in readers:
            for name, value in values.items():
                option, here = signature.options[name], _inside(written, name)
                yield from self.option(f"{key}.{name}", value, here, option, signature, who)

    def option(
        self,
        key: str,
        value: Any,
        written: Located | None,
        option: Option,
        signature: Signature,
        reader: str,
    ) -> Iterator[Explanation]:
        """The row of an option, or the rows of what is inside its value."""
        if isinstance(value, Bound):
            yield from self.component(key, value, value.written, value.part_keys)
        elif option.names_components and isinstance(value, list | tuple | Mapping):
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            for step, item in items:
                here = _inside(written, step)
                yield from self.option(f"{key}.{step}", item, here, option, signature, reader)
        elif inside := self._fields(value):
            for name, part in inside.options.items():
                item, here = getattr(value, name), _inside(written, name)
                yield from self.option(f"{key}.{name}", item, here, part, inside, reader)
        else:
            yield Explanation(
                key=key,
                value=to_jsonable_python(value),
                origin=str(written.origin) if written else f"default in {signature.location}",
                read_by=reader,
                type=option.type_name(),
                bounds=option.bounds(),
                help=option.help,
            )

    def _fields(self, value: Any) -> Signature | None:
        """The keys of a value that is a dataclass; None: it is none."""
        if not dataclasses.is_dataclass(value):
            return None
        if kept := self.registry.known.get(type(value)) or getattr(value, "kept_signature", None):
            return cast("Signature", kept)
        try:
            return read_fields(type(value))
        except SignatureError:  # a dataclass that pydantic checks need not be readable
            return None


def _inside(written: Located | None, step: str | int) -> Located | None:
    """What was written for a key; None: nothing."""
    here = written.at([step]) if written else None
    return None if here is written else here
