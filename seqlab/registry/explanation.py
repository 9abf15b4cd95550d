"""A resolved experiment in -> each key with its value, its origin and its reader."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeAlias

from seqlab.errors import UsageError
from seqlab.experiment.kinds import SINGLE
from seqlab.experiment.located import Located
from seqlab.experiment.reading import Experiment
from seqlab.experiment.sections import CORE_SECTIONS
from seqlab.registry.binding import Bound
from seqlab.registry.catalogue import Registry
from seqlab.registry.option import Option
from seqlab.registry.option_values import suggest
from seqlab.registry.resolving import Resolved
from seqlab.registry.signature import Signature, SignatureError, read_fields, read_signature

CORE = "seqlab itself"
Steps: TypeAlias = list[str | int]


@dataclass(frozen=True)
class Explanation:
    """`origin` is a location in a file, an override, or the location of the default."""

    key: str
    value: Any
    origin: str
    read_by: str
    type: str = ""
    bounds: str = ""
    help: str = ""


def explain(experiment: Experiment, resolved: Resolved, registry: Registry) -> list[Explanation]:
    """Return every key of a resolved experiment, with the origin of its value and its reader."""
    values, tree = resolved.as_experiment(), experiment.tree
    rows: list[Explanation] = []
    for kind in SINGLE:
        rows += _component([kind], getattr(resolved, kind), values[kind], tree, registry)
    for section, cls in CORE_SECTIONS.items():
        signature = read_signature(cls)
        for name, value in values.get(section, {}).items():
            option = signature.options[name]
            rows += _option([section, name], value, option, signature, CORE, tree)
    for index, bound in enumerate(resolved.observers):
        rows += _component(["observers", index], bound, bound.as_section(), tree, registry)
    return rows


def explain_key(rows: list[Explanation], key: str) -> list[Explanation]:
    """Return the row of a key, or those of the keys inside it, or of the key that it is inside."""
    exact = [row for row in rows if row.key == key]
    inside = [row for row in rows if row.key.startswith(f"{key}.")]
    outside = [row for row in rows if key.startswith(f"{row.key}.")]
    if not (exact or inside or outside):
        raise UsageError(f"no key '{key}'{suggest(key, [row.key for row in rows])}")
    return exact or inside or outside


def _component(
    path: Steps, bound: Bound, values: dict[str, Any], tree: Located, registry: Registry
) -> Iterator[Explanation]:
    component = bound.component
    reader = f"{component} ({registry.plugin(component.plugin).origin})"
    keys = component.of.section.keys
    core = read_signature(keys) if keys else None
    key, help_text = ".".join(map(str, path)), component.signature.summary
    origin = _origin(tree, [*path, "name"]) or _origin(tree, path) or "default of the section"
    yield Explanation(f"{key}.name", component.name, origin, reader, help=help_text)
    for name, value in values.items():
        for signature, who in ((component.signature, reader), (core, CORE)):
            if signature is not None and name in signature.options:
                option = signature.options[name]
                yield from _option([*path, name], value, option, signature, who, tree)
                break


def _option(
    path: Steps, value: Any, option: Option, signature: Signature, reader: str, tree: Located
) -> Iterator[Explanation]:
    """The row of an option, or the rows of the keys inside its value."""
    inside = _nested_keys(option) if isinstance(value, dict) else None
    if inside is not None and value.keys() == inside.options.keys():
        for name, part in inside.options.items():
            yield from _option([*path, name], value[name], part, inside, reader, tree)
        return
    yield Explanation(
        key=".".join(map(str, path)),
        value=value,
        origin=_origin(tree, path) or f"default in {signature.location}",
        read_by=reader,
        type=option.type_name(),
        bounds=option.bounds(),
        help=option.help,
    )


def _origin(tree: Located, path: Steps) -> str:
    """Where a key was written; empty if nowhere."""
    here = tree
    for step in path:
        above, here = here, here.at([step])
        if here is above:
            return ""
    return str(here.origin)


def _nested_keys(option: Option) -> Signature | None:
    """The keys of a value that is a dataclass; None: it is none, or may be one of several."""
    classes = list(_dataclasses(option.annotation))
    try:
        return read_fields(classes[0]) if len(classes) == 1 else None
    except SignatureError:  # a dataclass that pydantic checks need not be readable
        return None


def _dataclasses(annotation: Any) -> Iterator[type]:
    """The dataclasses of a type; not those of the items of a list."""
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        yield annotation
    elif typing.get_origin(annotation) in (typing.Annotated, typing.Union, UnionType):
        for branch in typing.get_args(annotation):
            yield from _dataclasses(branch)
