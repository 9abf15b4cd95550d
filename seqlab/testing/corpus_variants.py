"""The same corpus with other files and other options, to see what its fingerprint depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seqlab.registry.option import Option
from seqlab.testing.copied_files import (
    LETTER,
    change_letter,
    copied_files,
    files_of,
    swap_lines,
    values_of,
)
from seqlab.testing.promises import Subject

FAR = (5, 20, 100)  # of what a filter counts
COMPRESSED = (".gz", ".zip", ".bz2", ".xz", ".zst")

Variant = tuple[str, Mapping[str, Any]]
"""What is different, in words for a message, and the options for it."""


def variants(subject: Subject, folder: Path) -> Iterator[Variant]:
    """Yield variants to build one after another: the files change in between."""
    for name, copies in copied_files(subject, folder).items():
        listed = copies if isinstance(copies, list) else [copies]
        yield from _file_variants(name, listed, is_list=listed is copies)
    for name, value in values_of(subject).items():
        for other in _other_values(value, subject.signature.options[name]):
            yield f"with {name}: {other}", {name: other}


def _other_values(value: Any, option: Option) -> list[Any]:
    """Other values of a switch or a choice, and some for a number."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        near = (value + 1, value - 1) if isinstance(value, int) else (value / 2, value + 1)
        valid = [number for number in near if number != value and _is_valid(option, number)][:1]
        filters = isinstance(value, int) and "seed" not in option.name
        far = [number for number in FAR if filters and number != value]
        return valid + [number for number in far if _is_valid(option, number)]
    branches = [option.schema, *option.schema.get("anyOf", [])]
    choices = [choice for b in branches for choice in b.get("enum", [b.get("const")])]
    return [choice for choice in choices if choice not in (None, value)]


def _is_valid(option: Option, value: Any) -> bool:
    try:
        option.check(value)
    except ValidationError:
        return False
    return True


def _file_variants(name: str, copies: list[Path], *, is_list: bool) -> Iterator[Variant]:
    options = {name: copies if is_list else copies[0]}
    yield f"with copies of the files of `{name}`", options
    plain = [file for file in files_of(copies) if file.suffix.lower() not in COMPRESSED]
    if plain:
        change_letter(plain[0], last=False)
        yield f"with another letter near the start of `{name}`", options
        change_letter(plain[-1], last=True)
        yield f"with another letter near the end of `{name}`", options
        swap_lines(plain[0])
        yield f"with two lines of `{name}` swapped", options
    if plain[:1] == copies[:1]:
        halves = _cut_in_two(copies[0])
        yield f"with the first file of `{name}` cut in two", {name: [*halves, *copies[1:]]}


def _cut_in_two(file: Path) -> list[Path]:
    """Write two files with the text of one, cut at a letter and so between two characters."""
    data = file.read_bytes()
    match = LETTER.search(data, len(data) // 2) or LETTER.search(data)
    cut = match.start() if match else 0
    halves = [file.with_name(f"{number}-{file.name}") for number in (1, 2)]
    for half, part in zip(halves, (data[:cut], data[cut:]), strict=True):
        half.write_bytes(part)
    return halves
