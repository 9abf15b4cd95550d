"""Values that an experiment writes, held against the options that a signature offers."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from seqlab.errors import Complaint, PluginError
from seqlab.experiment.located import Located, plain
from seqlab.registry.signature import Option


@dataclass
class Checked:
    """Values that may be passed to a factory, what is wrong with the rest, and what was dropped."""

    values: dict[str, Any]
    complaints: list[Complaint]
    left_behind: list[str]


def check_options(
    options: Mapping[str, Option], section: Located, key: str, what: str, also: Iterable[str] = ()
) -> Checked:
    """Check a section's entries against options: every complaint, each where it was written.

    `also` are keys that are right here too but are checked elsewhere.

    Raises:
        PluginError: an option's own check failed instead of refusing or accepting a value.
    """
    defaults = {o.name: deepcopy(o.default) for o in options.values() if not o.required}
    checked = Checked(defaults, [], [])
    for name, located in section.items.items():
        if name in options:
            _check_value(options[name], located, f"{key}.{name}", what, checked)
        elif located.kept:
            checked.left_behind.append(name)
        else:
            message = f"{what} has no option '{name}'{suggest(name, [*options, *also])}"
            checked.complaints.append(Complaint(str(located.origin), f"{key}.{name}", message))
    for option in options.values():
        if option.required and option.name not in section.items:
            message = f"{what} needs this option ({option.type_name()})"
            checked.complaints.append(
                Complaint(str(section.origin), f"{key}.{option.name}", message)
            )
    return checked


def _check_value(option: Option, located: Located, key: str, what: str, checked: Checked) -> None:
    if (place := _nan_in(plain(located), ())) is not None:
        checked.complaints.append(_complaint(located, key, place, ["be a number"]))
        return
    try:
        value = option.check(plain(located))
        if (empty := _empty_path_in(value, located)) is not None:
            checked.complaints.append(_complaint(empty, key, (), ["be a path"]))
            return
        checked.values[option.name] = _anchored(value, located)
    except ValidationError as error:
        checked.complaints.extend(_explain(error, located, key))
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise PluginError(f"{what}: its check of option '{option.name}' failed ({said})") from error


def _nan_in(value: Any, path: tuple[str | int, ...]) -> tuple[str | int, ...] | None:
    """The place of a value that is not a number and says so; None: there is none."""
    if isinstance(value, float):
        return path if math.isnan(value) else None
    if not isinstance(value, dict | list):
        return None
    items = value.items() if isinstance(value, dict) else enumerate(value)
    parts = (_nan_in(item, (*path, key)) for key, item in items)
    return next((found for found in parts if found is not None), None)


def _empty_path_in(value: Any, located: Located) -> Located | None:
    """The place of a path that was written as an empty text, which `pathlib` reads as a dot."""
    if isinstance(value, Path):
        return located if located.value == "" else None
    if isinstance(value, list | tuple):
        found = (_empty_path_in(item, located.at([i])) for i, item in enumerate(value))
        return next((one for one in found if one is not None), None)
    return None


def _explain(error: ValidationError, located: Located, key: str) -> list[Complaint]:
    """One complaint for each place in the value; the branches of a union are joined with 'or'."""
    found: dict[tuple[str | int, ...], list[str]] = {}
    for detail in error.errors(include_url=False):
        steps = detail["loc"][1:]  # the option was checked as the only item of a tuple
        found.setdefault(_path_in(located, steps), []).append(_wanted(detail))
    deepest = [p for p in found if not any(len(o) > len(p) and o[: len(p)] == p for o in found)]
    return [_complaint(located, key, path, found[path]) for path in deepest]


def _complaint(
    located: Located, key: str, path: tuple[str | int, ...], wanted: list[str]
) -> Complaint:
    here = located.at(path)
    value = _shown(plain(here))
    shown = value if len(value) <= 60 else value[:59] + "…"
    first, *others = dict.fromkeys(wanted)
    sentence = " or ".join([first, *(other.removeprefix("be ") for other in others)])
    full_key = ".".join([key, *map(str, path)])
    return Complaint(str(here.origin), full_key, f"should {sentence}; it is {shown}")


def _shown(value: Any) -> str:
    """A value as JSON, of what a name of a file may hold only what can be printed."""
    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _wanted(detail: ErrorDetails) -> str:
    """What a value should do, as the end of a sentence that begins with 'should'."""
    if detail["type"] == "json_invalid":
        return "be text that has UTF-8"  # half a surrogate pair has none
    last = detail["loc"][-1]
    if detail["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"have '{last}'" if isinstance(last, str) else f"have an item {last}"
    if detail["type"] == "unexpected_keyword_argument":
        return f"have no '{last}'"
    if detail["type"] == "value_error":  # an author's own words
        return f"be {detail['msg'].removeprefix('Value error, ')}"
    _, should, rest = detail["msg"].partition(" should ")
    return rest.partition(" after validation")[0] if should else f"be right: {detail['msg']}"


def _path_in(located: Located, steps: Sequence[str | int]) -> tuple[str | int, ...]:
    """The steps of an error's location that are places in the value, not names of types."""
    path: list[str | int] = []
    here = located
    for step in steps:
        there = here.at([step])
        if there is not here:
            path.append(step)
            here = there
    return tuple(path)


def _from_home(path: Path) -> Path:
    """`~` is a home; a `~name` that nobody has stays a name, as in a shell."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _anchored(value: Any, located: Located) -> Any:
    """Make relative paths absolute: they are relative to the file that wrote them."""
    if isinstance(value, Path):
        return located.origin.folder.absolute() / _from_home(value)
    if isinstance(value, list | tuple | set | frozenset | deque):
        items = [_anchored(item, located.at([i])) for i, item in enumerate(value)]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    if type(value) in (dict, OrderedDict):
        return type(value)((key, _anchored(item, located.at([key]))) for key, item in value.items())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        parts = {name: _anchored(getattr(value, name), located.at([name])) for name in names}
        return dataclasses.replace(value, **parts)
    return value


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: what is near, or what there is."""
    names = sorted(known)
    lower = {known.lower(): known for known in reversed(names)}
    close = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{lower[close[0]]}'?"
    return f"; there are: {', '.join(names)}" if names else "; there are none"
