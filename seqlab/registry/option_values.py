"""The values of a section, checked against the options of a signature."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from seqlab.errors import Complaint, PluginError
from seqlab.experiment.located import Located, plain
from seqlab.registry.option import Option

Steps: TypeAlias = tuple[str | int, ...]


@dataclass
class Checked:
    """Valid values for a factory, complaints about the others, and names that were dropped."""

    values: dict[str, Any]
    complaints: list[Complaint]
    dropped: list[str]


def check_options(
    options: Mapping[str, Option], section: Located, key: str, what: str, also: Iterable[str] = ()
) -> Checked:
    """Check a section against options, `also` being valid keys that are checked elsewhere.

    Raises:
        PluginError: an option's own validator failed.
    """
    defaults = {o.name: deepcopy(o.default) for o in options.values() if not o.required}
    checked = Checked(defaults, [], [])
    for name, located in section.items.items():
        if name in options:
            _check_value(options[name], located, f"{key}.{name}", what, checked)
        elif located.kept:
            checked.dropped.append(name)
        else:
            message = f"{what} has no option '{name}'{suggest(name, [*options, *also])}"
            checked.complaints.append(Complaint(str(located.origin), f"{key}.{name}", message))
    where = str(section.origin)
    for option in options.values():
        if option.required and option.name not in section.items:
            message = f"{what} needs this option ({option.type_name()})"
            checked.complaints.append(Complaint(where, f"{key}.{option.name}", message))
    return checked


def _check_value(option: Option, located: Located, key: str, what: str, checked: Checked) -> None:
    written = plain(located)
    if (path := _path_of_nan(written, ())) is not None:
        checked.complaints.append(_complaint(located, key, path, ["be a number"]))
        return
    try:
        value = option.check(written)
        if (empty := _empty_path_in(value, located)) is not None:
            checked.complaints.append(_complaint(empty, key, (), ["be a path"]))
            return
        checked.values[option.name] = _with_absolute_paths(value, located)
    except ValidationError as error:
        checked.complaints.extend(_explain(error, located, key))
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
        message = f"{what}: its check of option '{option.name}' failed ({failure})"
        raise PluginError(message) from error


def _path_of_nan(value: Any, path: Steps) -> Steps | None:
    if isinstance(value, float):
        return path if math.isnan(value) else None
    if not isinstance(value, dict | list):
        return None
    items = value.items() if isinstance(value, dict) else enumerate(value)
    paths = (_path_of_nan(item, (*path, key)) for key, item in items)
    return next((path for path in paths if path is not None), None)


def _empty_path_in(value: Any, located: Located) -> Located | None:
    """A path that was written as an empty text, which `pathlib` reads as a dot."""
    if isinstance(value, Path):
        return located if located.value == "" else None
    if isinstance(value, list | tuple):
        empty = (_empty_path_in(item, located.at([i])) for i, item in enumerate(value))
        return next((path for path in empty if path is not None), None)
    return None


def _explain(error: ValidationError, located: Located, key: str) -> list[Complaint]:
    """One complaint for each path in the value; the branches of a union are joined with 'or'."""
    problems: dict[Steps, list[str]] = {}
    for detail in error.errors(include_url=False):
        steps = detail["loc"][1:]  # the option was checked as the only item of a tuple
        problems.setdefault(_path_in(located, steps), []).append(_requirement(detail))
    deepest = [p for p in problems if not any(q != p and q[: len(p)] == p for q in problems)]
    return [_complaint(located, key, path, problems[path]) for path in deepest]


def _complaint(located: Located, key: str, path: Steps, requirements: list[str]) -> Complaint:
    here = located.at(path)
    value = _as_json(plain(here))
    shown = value if len(value) <= 60 else value[:59] + "…"
    first, *rest = dict.fromkeys(requirements)
    sentence = " or ".join([first, *(text.removeprefix("be ") for text in rest)])
    full_key = ".".join([key, *map(str, path)])
    return Complaint(str(here.origin), full_key, f"should {sentence}; it is {shown}")


def _as_json(value: Any) -> str:
    """A value as JSON; bytes of a file name that are not UTF-8 are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _requirement(detail: ErrorDetails) -> str:
    """The end of a sentence that begins with 'should'."""
    if detail["type"] == "json_invalid":
        return "be text that UTF-8 can encode"  # half a surrogate pair has none
    last = detail["loc"][-1]
    if detail["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"have '{last}'" if isinstance(last, str) else f"have an item {last}"
    if detail["type"] == "unexpected_keyword_argument":
        return f"have no '{last}'"
    if detail["type"] == "value_error":  # an author's own words
        return f"be {detail['msg'].removeprefix('Value error, ')}"
    _, should, rest = detail["msg"].partition(" should ")
    return rest.partition(" after validation")[0] if should else f"be right: {detail['msg']}"


def _path_in(located: Located, steps: Sequence[str | int]) -> Steps:
    """The steps of an error's location without the names of types."""
    path: list[str | int] = []
    here = located
    for step in steps:
        there = here.at([step])
        if there is not here:
            path.append(step)
            here = there
    return tuple(path)


def _with_absolute_paths(value: Any, located: Located) -> Any:
    """Make relative paths absolute: they are relative to the file that has them."""
    if isinstance(value, Path):
        with suppress(RuntimeError):  # as in a shell, `~name` without such a user is a name
            value = value.expanduser()
        return located.origin.folder.absolute() / value
    if isinstance(value, list | tuple | set | frozenset | deque):
        items = [_with_absolute_paths(item, located.at([i])) for i, item in enumerate(value)]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    if type(value) in (dict, OrderedDict):
        return type(value)(
            (key, _with_absolute_paths(item, located.at([key]))) for key, item in value.items()
        )
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        parts = {
            name: _with_absolute_paths(getattr(value, name), located.at([name])) for name in names
        }
        return dataclasses.replace(value, **parts)
    return value


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the closest known name, or all of them."""
    names = sorted(known)
    lower = {known.lower(): known for known in reversed(names)}
    close = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{lower[close[0]]}'?"
    return f"; there are: {', '.join(names)}" if names else "; there are none"
