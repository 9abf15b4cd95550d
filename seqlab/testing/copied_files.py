"""Copies of the files that options name, which a check may change."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqlab.testing.promises import Subject

MAX_BYTES = 1 << 28  # larger files are not copied
OLD_TIME = 1e9  # a time of change that no file of today has
LETTER = re.compile(rb"[A-Za-z]")

Copies = Path | list[Path]


def values_of(subject: Subject) -> dict[str, Any]:
    """The values of all options, given or default."""
    defaults = {o.name: o.default for o in subject.signature.options.values() if not o.required}
    return {**defaults, **subject.options}


def copied_files(subject: Subject, folder: Path) -> dict[str, Copies]:
    """Copy files and folders that options name to below a folder; return options to build with."""
    copied: dict[str, Copies] = {}
    for name, value in values_of(subject).items():
        paths = value if isinstance(value, list | tuple) else [value]
        if can_be_copied(paths):
            copies = [copy_old(path, folder / name / str(i)) for i, path in enumerate(paths)]
            copied[name] = copies if paths is value else copies[0]
    return copied


def change_files(copied: Mapping[str, Copies]) -> None:
    """Change a letter in each file."""
    for copies in copied.values():
        for file in files_of(copies if isinstance(copies, list) else [copies]):
            change_letter(file, last=False)


def can_be_copied(paths: Sequence[Any]) -> bool:
    if not paths or not all(isinstance(path, Path) and path.exists() for path in paths):
        return False
    return sum(file.stat().st_size for file in files_of(paths)) <= MAX_BYTES


def copy_old(path: Path, folder: Path) -> Path:
    """Copy a file or a folder under its name, with an old time of change."""
    folder.mkdir(parents=True)
    copy = folder / path.name
    if path.is_dir():
        shutil.copytree(path, copy)
    else:
        shutil.copyfile(path, copy)
    for file in files_of([copy]):
        os.utime(file, (OLD_TIME, OLD_TIME))
    return copy


def files_of(paths: Iterable[Path]) -> list[Path]:
    entries = [e for path in paths for e in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [entry for entry in entries if entry.is_file()]


def change_letter(file: Path, *, last: bool) -> None:
    """Change the first or last letter; a file without letters is doubled."""
    data = file.read_bytes()
    match = LETTER.search(data[::-1] if last else data)
    if match is None:
        file.write_bytes(data + data)
        return
    index = len(data) - 1 - match.start() if last else match.start()
    letter = b"b" if data[index : index + 1] == b"a" else b"a"
    file.write_bytes(data[:index] + letter + data[index + 1 :])


def swap_lines(file: Path) -> None:
    """Swap the first two lines that are not empty."""
    lines = file.read_bytes().splitlines()
    full = [number for number, line in enumerate(lines) if line.strip()]
    if len(full) > 1:
        first, second = full[:2]
        lines[first], lines[second] = lines[second], lines[first]
        file.write_bytes(b"\n".join(lines) + b"\n")
