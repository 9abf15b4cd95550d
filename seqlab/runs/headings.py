"""What the columns of a comparison are called: names that people gave, or what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.runs.folder import RunFolder, is_given_name
from seqlab.runs.settings import in_words, telling


@dataclass(frozen=True)
class Named:
    """Runs that are compared as one: their folders, name, tags and settings without the seed."""

    folders: tuple[Path, ...]
    name: str
    tags: tuple[str, ...]
    settings: Mapping[str, Any]


def headings(groups: Sequence[Named]) -> list[str]:
    """Return a heading for each group, all of them different, and none with a time in it.

    It is the first of these that no other group has: the name of the run's folder, if a person gave
    it; a tag of all its runs; the name of the experiment, if it is the only group of that name;
    else the settings in which it differs from the others of its name.
    """
    own = _without_repeats([_folder_names(group) for group in groups])
    own = [name or _own_tag(group, groups) for name, group in zip(own, groups, strict=True)]
    names = Counter(group.name for group in groups)
    several = len(names) > 1
    found = [
        name or (group.name if names[group.name] == 1 else _what_differs(group, groups, several))
        for name, group in zip(own, groups, strict=True)
    ]
    return _numbered(found)


def _folder_names(group: Named) -> list[str]:
    """The name of the only folder, if a person gave it; then with that of its parent, and so on."""
    if len(group.folders) != 1 or not _is_named(group.folders[0]):
        return []
    parts = [part for part in group.folders[0].absolute().parts if part != "/"]
    return ["/".join(parts[-count:]) for count in range(1, len(parts) + 1)]


def _is_named(folder: Path) -> bool:
    """Whether a person gave the name; that of a trial is its number, and says nothing."""
    return is_given_name(folder.name) and not RunFolder(folder).trial.is_file()


def _without_repeats(choices: Sequence[Sequence[str]]) -> list[str]:
    """The first of the choices of each that is the first choice of no other."""
    firsts = Counter(choice[0] for choice in choices if choice)
    return [
        next((name for name in choice if firsts[name] < 2), choice[0]) if choice else ""
        for choice in choices
    ]


def _own_tag(group: Named, groups: Sequence[Named]) -> str:
    others = {tag for other in groups if other is not group for tag in other.tags}
    return next((tag for tag in group.tags if tag not in others), "")


def _what_differs(group: Named, groups: Sequence[Named], several_names: bool) -> str:
    alike = [other.settings for other in groups if other.name == group.name]
    words = in_words(group.settings, telling(alike)) or group.name
    return f"{group.name}: {words}" if several_names and words != group.name else words


def _numbered(names: Sequence[str]) -> list[str]:
    """Add a number to names that are there already."""
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return numbered
