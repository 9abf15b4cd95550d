"""The same corpus from other files and with other options, to see what its fingerprint follows."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seqlab.registry.signature import Option
from seqlab.testing.promises import Subject

HUGE = 1 << 28  # bytes that are too many to copy
LONG_AGO = 1e9  # a time of change that no file of today has
LETTER = re.compile(rb"[A-Za-z]")
PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst")

Options = Mapping[str, Any]


def variants(subject: Subject, folder: Path) -> Iterator[tuple[str, Options]]:
    """Options to look at one after another: the files they name change in between."""
    values = _values(subject)
    for name, value in values.items():
        paths = value if isinstance(value, list | tuple) else [value]
        if _can_be_copied(paths):
            copies = [_copy(path, folder / name / str(i)) for i, path in enumerate(paths)]
            yield from _edits(name, copies, listed=paths is value)
    for name, value in values.items():
        for other in _others(value, subject.signature.options[name]):
            yield f"with {name}: {other}", {name: other}


def _values(subject: Subject) -> dict[str, Any]:
    defaults = {o.name: o.default for o in subject.signature.options.values() if not o.required}
    return {**defaults, **subject.options}


def _others(value: Any, option: Option) -> list[Any]:
    """Other values of a switch or a choice, and one near a number."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        near = (value + 1, value - 1) if isinstance(value, int) else (value / 2, value + 1)
        return [number for number in near if number != value and _takes(option, number)][:1]
    branches = [option.schema, *option.schema.get("anyOf", [])]
    choices = [choice for b in branches for choice in b.get("enum", [b.get("const")])]
    return [choice for choice in choices if choice not in (None, value)]


def _takes(option: Option, value: Any) -> bool:
    try:
        option.check(value)
    except ValidationError:
        return False
    return True


def _can_be_copied(paths: Sequence[Any]) -> bool:
    if not paths or not all(isinstance(path, Path) and path.exists() for path in paths):
        return False
    return sum(file.stat().st_size for file in _files(paths)) <= HUGE


def _copy(path: Path, folder: Path) -> Path:
    """Copy a file or a folder under its name, as old as no original is."""
    folder.mkdir(parents=True)
    copy = folder / path.name
    if path.is_dir():
        shutil.copytree(path, copy)
    else:
        shutil.copyfile(path, copy)
    for file in _files([copy]):
        os.utime(file, (LONG_AGO, LONG_AGO))
    return copy


def _files(paths: Iterable[Path]) -> list[Path]:
    found = [path for one in paths for path in (sorted(one.rglob("*")) if one.is_dir() else [one])]
    return [path for path in found if path.is_file()]


def _edits(name: str, copies: list[Path], *, listed: bool) -> Iterator[tuple[str, Options]]:
    options = {name: copies if listed else copies[0]}
    yield f"with copies of the files of `{name}`", options
    plain = [file for file in _files(copies) if file.suffix.lower() not in PACKED]
    if plain:
        _edit(plain[0], last=False)
        yield f"with another letter near the start of `{name}`", options
        _edit(plain[-1], last=True)
        yield f"with another letter near the end of `{name}`", options
    if plain[:1] == copies[:1]:
        halves = _halves(copies[0])
        yield f"with the first file of `{name}` cut in two", {name: [*halves, *copies[1:]]}


def _edit(file: Path, *, last: bool) -> None:
    """Make the first or last letter another one; a file without letters is doubled."""
    data = file.read_bytes()
    found = LETTER.search(data[::-1] if last else data)
    if found is None:
        file.write_bytes(data + data)
        return
    place = len(data) - 1 - found.start() if last else found.start()
    letter = b"b" if data[place : place + 1] == b"a" else b"a"
    file.write_bytes(data[:place] + letter + data[place + 1 :])


def _halves(file: Path) -> list[Path]:
    """Two files that have the text of one, cut where a letter is, so within no other character."""
    data = file.read_bytes()
    found = LETTER.search(data, len(data) // 2) or LETTER.search(data)
    cut = found.start() if found else 0
    halves = [file.with_name(f"{number}-{file.name}") for number in (1, 2)]
    for half, part in zip(halves, (data[:cut], data[cut:]), strict=True):
        half.write_bytes(part)
    return halves
