"""The values of a section, checked against the options of a signature."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from pydantic_core import ErrorDetails, ValidationError, to_jsonable_python

from seqlab.errors import Complaint, PluginError
from seqlab.experiment.located import Located, Origin, locate, plain
from seqlab.experiment.merging import merge_value
from seqlab.factories import Part
from seqlab.registry.option import Option
from seqlab.registry.option_tree import rebuilt
from seqlab.urls import without_secrets

Steps: TypeAlias = tuple[str | int, ...]
Bind: TypeAlias = Callable[[Part, Located, str], Any]
"""A named component, what was written (None in it: nothing), and its key -> it, bound."""
STUB = "stub"  # stands for a component whose form is wrong
_MOST_WORDS = 3  # of a help, which say what an option is
_CLAUSE = re.compile(r"[,;:.](?:\s|$)")


@dataclass
class Checked:
    """Valid values for a factory, complaints about the others, and names that were dropped."""

    values: dict[str, Any]
    complaints: list[Complaint]
    dropped: list[str]


def check_options(
    options: Mapping[str, Option],
    section: Located,
    key: str,
    what: str,
    bind: Bind,
    also: Iterable[str] = (),
) -> Checked:
    """Check a section against options.

    Args:
        options: by name.
        section: a mapping.
        key: of the section.
        what: has the options, for messages.
        bind: binds a component that an option names.
        also: valid keys that are checked elsewhere.

    Raises:
        PluginError: an option's own validator failed.
    """
    defaults = {o.name: deepcopy(o.default) for o in options.values() if not o.required}
    checked = Checked(defaults, [], [])
    below = _defaults(options, what)
    for name, located in {**below, **section.items}.items():
        if name in options:
            # Over a default that names components, as over what another file has.
            value = merge_value(below.get(name), located, f"{key}.{name}")
            _check_value(options[name], value, f"{key}.{name}", what, checked, bind)
        elif located.kept:
            checked.dropped.append(name)
        else:
            message = f"{what} has no option '{name}'{_meant(name, options, also)}"
            checked.complaints.append(Complaint(str(located.origin), f"{key}.{name}", message))
    where = str(section.origin)
    for option in options.values():
        if option.required and option.name not in section.items:
            message = f"{what} needs this option ({option.type_name()})"
            checked.complaints.append(Complaint(where, f"{key}.{option.name}", message))
    return checked


def _meant(name: str, options: Mapping[str, Option], also: Iterable[str]) -> str:
    """The end of a sentence about an unknown option: what was meant, by its name or its help."""
    names = [*options, *also]
    for option in () if suggest_close(name, names) else options.values():
        words = option.help.lower().split(maxsplit=_MOST_WORDS)[:_MOST_WORDS]
        if name.lower().rstrip("s") in [word.rstrip("s") for word in words]:
            return f"; did you mean '{option.name}' ({_CLAUSE.split(option.help)[0]})?"
    return suggest(name, names)


def _defaults(options: Mapping[str, Option], what: str) -> dict[str, Located]:
    """The defaults that name components, as if they were written."""
    return {
        name: locate(
            to_jsonable_python(option.default), Origin(f"default of {what}", folder=Path.cwd())
        )
        for name, option in options.items()
        if option.names_components and not option.required
    }


def _check_value(
    option: Option, located: Located, key: str, what: str, checked: Checked, bind: Bind
) -> None:
    written = plain(located)
    if (path := _path_of_nan(written, ())) is not None:
        checked.complaints.append(_complaint(located, key, path, ["be a number"]))
        return
    try:
        value = option.check(written)
        if (empty := _empty_path_in(value, located)) is not None:
            checked.complaints.append(_complaint(empty, key, (), ["be a path"]))
            return
        checked.values[option.name] = rebuilt(value, located, key, partial(_placed, bind))
    except ValidationError as error:
        checked.complaints.extend(_explain(error, located, key))
        if option.names_components:
            _bind_the_rest(option, error, located, key, bind)
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
    problems: dict[Steps, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        steps = detail["loc"][1:]  # the option was checked as the only item of a tuple
        problems.setdefault(_path_in(located, steps), []).append(detail)
    deepest = [p for p in problems if not any(q != p and q[: len(p)] == p for q in problems)]
    return [_complaint(located, key, path, _requirements(problems[path])) for path in deepest]


def _requirements(details: Sequence[ErrorDetails]) -> list[str]:
    """What would be right; an author's own words say it alone, as the type was right there."""
    own = [detail for detail in details if detail["type"] == "value_error"]
    return [_requirement(detail) for detail in own or details]


def _complaint(located: Located, key: str, path: Steps, requirements: list[str]) -> Complaint:
    here = located.at(path)
    value = without_secrets(_as_json(plain(here)))
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


def _placed(bind: Bind, value: Path | Part, located: Located, key: str) -> Any:
    """A named component bound; a relative path absolute: it is relative to the file that has it."""
    if isinstance(value, Part):
        return bind(value, located, key)
    with suppress(RuntimeError):  # as in a shell, `~name` without such a user is a name
        value = value.expanduser()
    return located.origin.folder.absolute() / value


def _bind_the_rest(
    option: Option, error: ValidationError, located: Located, key: str, bind: Bind
) -> None:
    """Bind the components beside a value that is refused, so that all complaints come at once."""
    refused = _outermost(error, located)
    keys = {".".join(map(str, (key, *path))) for path in refused}

    def change(value: Path | Part, located: Located, key: str) -> Any:
        return value if key in keys else _placed(bind, value, located, key)

    written = plain(located)
    for path in refused:
        written = _changed(written, path, STUB)
    try:
        rebuilt(option.check(written), located, key, change)
    except ValidationError as error_of_stubs:  # what is refused is no component: leave it out
        for path in _outermost(error_of_stubs, located):
            written = _changed(written, path, None)
        with suppress(ValidationError):
            rebuilt(option.check(written), located, key, change)


def _outermost(error: ValidationError, located: Located) -> list[Steps]:
    """The paths of what is refused, without those inside of others."""
    paths = {_path_in(located, detail["loc"][1:]) for detail in error.errors()}
    return [p for p in paths if not any(q != p and p[: len(q)] == q for q in paths)]


def _changed(value: Any, path: Steps, by: Any) -> Any:
    """A plain value with another one at a path; a key of a mapping is left out for None."""
    if not path:
        return by
    step, *rest = path
    inside = _changed(value[step], tuple(rest), by)
    if isinstance(value, list):
        return [inside if index == step else item for index, item in enumerate(value)]
    others = {name: item for name, item in value.items() if name != step}
    return others if inside is None else {**others, step: inside}


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the closest known name, or all of them."""
    names = sorted(known)
    if meant := suggest_close(name, names):
        return meant
    return f"; there are: {', '.join(names)}" if names else "; there are none"


def suggest_close(name: str, known: Iterable[str]) -> str:
    """The end of such a sentence where there may be many names: the closest one, if any."""
    lower = {known.lower(): known for known in sorted(known, reverse=True)}
    close = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return f"; did you mean '{lower[close[0]]}'?" if close else ""
