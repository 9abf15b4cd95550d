"""The same corpus with other files and other options, to see what its fingerprint depends on."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seqlab.registry.option import Option
from seqlab.testing.promises import Subject

MAX_BYTES = 1 << 28  # larger files are not copied
OLD_TIME = 1e9  # a time of change that no file of today has
LETTER = re.compile(rb"[A-Za-z]")
COMPRESSED = (".gz", ".zip", ".bz2", ".xz", ".zst")

Variant = tuple[str, Mapping[str, Any]]
"""What is different, in words for a message, and the options for it."""


def variants(subject: Subject, folder: Path) -> Iterator[Variant]:
    """Yield variants to build one after another: the files change in between."""
    defaults = {o.name: o.default for o in subject.signature.options.values() if not o.required}
    values = {**defaults, **subject.options}
    for name, value in values.items():
        paths = value if isinstance(value, list | tuple) else [value]
        if _can_be_copied(paths):
            copies = [_copy(path, folder / name / str(i)) for i, path in enumerate(paths)]
            yield from _file_variants(name, copies, is_list=paths is value)
    for name, value in values.items():
        for other in _other_values(value, subject.signature.options[name]):
            yield f"with {name}: {other}", {name: other}


def _other_values(value: Any, option: Option) -> list[Any]:
    """Other values of a switch or a choice, and one near a number."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        near = (value + 1, value - 1) if isinstance(value, int) else (value / 2, value + 1)
        return [number for number in near if number != value and _is_valid(option, number)][:1]
    branches = [option.schema, *option.schema.get("anyOf", [])]
    choices = [choice for b in branches for choice in b.get("enum", [b.get("const")])]
    return [choice for choice in choices if choice not in (None, value)]


def _is_valid(option: Option, value: Any) -> bool:
    try:
        option.check(value)
    except ValidationError:
        return False
    return True


def _can_be_copied(paths: Sequence[Any]) -> bool:
    if not paths or not all(isinstance(path, Path) and path.exists() for path in paths):
        return False
    return sum(file.stat().st_size for file in _files(paths)) <= MAX_BYTES


def _copy(path: Path, folder: Path) -> Path:
    """Copy a file or a folder under its name, with an old time of change."""
    folder.mkdir(parents=True)
    copy = folder / path.name
    if path.is_dir():
        shutil.copytree(path, copy)
    else:
        shutil.copyfile(path, copy)
    for file in _files([copy]):
        os.utime(file, (OLD_TIME, OLD_TIME))
    return copy


def _files(paths: Iterable[Path]) -> list[Path]:
    entries = [e for path in paths for e in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [entry for entry in entries if entry.is_file()]


def _file_variants(name: str, copies: list[Path], *, is_list: bool) -> Iterator[Variant]:
    options = {name: copies if is_list else copies[0]}
    yield f"with copies of the files of `{name}`", options
    plain = [file for file in _files(copies) if file.suffix.lower() not in COMPRESSED]
    if plain:
        _change_letter(plain[0], last=False)
        yield f"with another letter near the start of `{name}`", options
        _change_letter(plain[-1], last=True)
        yield f"with another letter near the end of `{name}`", options
    if plain[:1] == copies[:1]:
        halves = _cut_in_two(copies[0])
        yield f"with the first file of `{name}` cut in two", {name: [*halves, *copies[1:]]}


def _change_letter(file: Path, *, last: bool) -> None:
    """Change the first or last letter; a file without letters is doubled."""
    data = file.read_bytes()
    match = LETTER.search(data[::-1] if last else data)
    if match is None:
        file.write_bytes(data + data)
        return
    index = len(data) - 1 - match.start() if last else match.start()
    letter = b"b" if data[index : index + 1] == b"a" else b"a"
    file.write_bytes(data[:index] + letter + data[index + 1 :])


def _cut_in_two(file: Path) -> list[Path]:
    """Write two files with the text of one, cut at a letter and so between two characters."""
    data = file.read_bytes()
    match = LETTER.search(data, len(data) // 2) or LETTER.search(data)
    cut = match.start() if match else 0
    halves = [file.with_name(f"{number}-{file.name}") for number in (1, 2)]
    for half, part in zip(halves, (data[:cut], data[cut:]), strict=True):
        half.write_bytes(part)
    return halves
