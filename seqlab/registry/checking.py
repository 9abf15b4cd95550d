"""Values that an experiment writes, held against the options that a signature offers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seqlab.errors import Complaint
from seqlab.experiment.located import Located, plain
from seqlab.registry.signature import Option


@dataclass(frozen=True)
class Checked:
    """Values that may be passed to a factory, what is wrong with the rest, and what was dropped."""

    values: dict[str, Any]
    complaints: list[Complaint]
    left_behind: list[str]


def check_options(options: Mapping[str, Option], section: Located, key: str, what: str) -> Checked:
    """Check a section's entries against options: every complaint, each where it was written."""
    checked = Checked({o.name: o.default for o in options.values() if not o.required}, [], [])
    for name, located in section.items.items():
        if name in options:
            _check_value(options[name], located, f"{key}.{name}", checked)
        elif located.kept:
            checked.left_behind.append(name)
        else:
            message = f"{what} has no option '{name}'{suggest(name, options)}"
            checked.complaints.append(Complaint(str(located.origin), f"{key}.{name}", message))
    for option in options.values():
        if option.required and option.name not in section.items:
            message = f"{what} needs this option ({option.type_name()})"
            checked.complaints.append(
                Complaint(str(section.origin), f"{key}.{option.name}", message)
            )
    return checked


def _check_value(option: Option, located: Located, key: str, checked: Checked) -> None:
    try:
        value = option.check(plain(located))
        checked.values[option.name] = _anchored(value, located)
    except ValidationError as error:
        checked.complaints.extend(_explain(error, located, key))


def _explain(error: ValidationError, located: Located, key: str) -> list[Complaint]:
    """One complaint for each place in the value; the branches of a union are joined with 'or'."""
    found: dict[tuple[str, str], list[str]] = {}
    for detail in error.errors(include_url=False):
        here = located.at(step for step in detail["loc"] if isinstance(step, str | int))
        path = _path_in(located, detail["loc"])
        message = detail["msg"].removeprefix("Value error, ").replace("Input should be ", "")
        found.setdefault((str(here.origin), f"{key}{path}"), []).append(message)
    complaints = []
    for (where, full_key), messages in found.items():
        wanted = " or ".join(dict.fromkeys(messages))
        value = json.dumps(plain(located), ensure_ascii=False)
        shown = value if len(value) <= 60 else value[:57] + "…"
        complaints.append(Complaint(where, full_key, f"should be {wanted}; it is {shown}"))
    return complaints


def _path_in(located: Located, steps: Sequence[str | int]) -> str:
    """The steps of an error's location that are places in the value, not names of types."""
    path, here = "", located
    for step in steps:
        there = here.at([step])
        if there is not here:
            path, here = f"{path}.{step}", there
    return path


def _anchored(value: Any, located: Located) -> Any:
    """Make relative paths absolute: they are relative to the file that wrote them."""
    if isinstance(value, Path):
        return located.origin.folder / value.expanduser()
    if isinstance(value, list):
        return [_anchored(item, located.at([i])) for i, item in enumerate(value)]
    return value


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: what is near, or what there is."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; there are: {', '.join(names)}" if names else "; there are none"
