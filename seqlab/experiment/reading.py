"""YAML in -> Experiment out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from seqlab.arguments import named_path
from seqlab.errors import ExperimentError, Override, UsageError
from seqlab.experiment.kinds import KINDS, SINGLE
from seqlab.experiment.located import MAX_DEPTH, Located, Origin, locate, plain, refusal
from seqlab.experiment.merging import merge
from seqlab.experiment.overrides import Overrides, Worded, as_overrides
from seqlab.experiment.sections import CORE_SECTIONS
from seqlab.experiment.syntax_errors import without_space
from seqlab.experiment.yaml12 import dump_yaml, load_yaml, read_text

MAX_BASES = 20
SPACE = "space"
SECTIONS = {
    *(kind.section.key for kind in KINDS.values()),
    *CORE_SECTIONS,
    "requires",
    "extends",
}
_SECTION = re.compile(rf"^['\"]?({'|'.join(sorted(SECTIONS))})['\"]?\s*:", re.MULTILINE)


@dataclass(frozen=True)
class Experiment:
    """Names and plain values, each with its origin; not yet resolved to plugins.

    `name` is the file's stem, `source` the YAML as it was given, `overrides` `KEY=VALUE`;
    `notices` say which overrides were lost to later ones.
    """

    name: str
    tree: Located
    source: str
    overrides: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def overridden(self, overrides: Overrides) -> Experiment:
        """Lay overrides over the experiment: a mapping, or a list of `KEY=VALUE`.

        Raises:
            UsageError: they are neither.
        """
        overrides = as_overrides(overrides)
        tree, notices = self.tree, list(self.notices)
        for override in overrides:
            before, tree = tree, merge(tree, _read_override(override))
            notices += _lost_overrides(before, tree, override)
        every = (*self.overrides, *overrides)
        return replace(self, tree=tree, overrides=every, notices=tuple(notices))


def read_experiment(
    source: str | Path | Mapping[str, Any],
    overrides: Overrides = (),
    *,
    name: str = "",
    record: bool = False,
) -> Experiment:
    """Read an experiment file, or take one as a mapping, and lay overrides over it.

    Args:
        source: the file, or its content.
        overrides: a mapping such as {"optimizer.lr": 0.01}, or a list of `KEY=VALUE`.
        name: of the experiment; empty: the file's.
        record: it is the record of a run, in which no link is followed and no `extends` allowed.

    Raises:
        ExperimentError: the file is not one YAML mapping, or extends one that is not.
        UsageError: an override is not of the form KEY=VALUE.
    """
    if isinstance(source, Mapping):
        tree = locate(source, Origin("experiment", folder=Path.cwd()))
        text, stem = dump_yaml(plain(tree)), "experiment"
        tree = _merge_bases(tree, Path.cwd(), (), count())
    else:
        path = named_path(source, "experiment")
        text, stem = read_text(path, record=record), path.stem
        tree = mapping_in(text, path)
        if not record:
            tree = with_bases(tree, path)
        elif "extends" in tree.items:
            message = "should not be in the record of a run, whose settings are complete"
            raise refusal(tree.items["extends"].origin, "extends", message)
    return Experiment(name or stem, tree, text).overridden(overrides)


def with_bases(tree: Located, path: Path) -> Located:
    """Lay what a file has over the files that it extends.

    Raises:
        ExperimentError: one of these cannot be read, or is no experiment.
    """
    return _merge_bases(tree, path.parent, (path.absolute(),), count())


def mapping_in(text: str, path: Path) -> Located:
    """Read the text of a file as one mapping that is not empty.

    Raises:
        ExperimentError: it is something else.
    """
    origin = Origin(str(path), folder=path.parent.absolute())
    tree = load_yaml(text, origin)
    if not isinstance(tree.value, dict):
        missing = without_space(tree.value) if isinstance(tree.value, str) else None
        message = missing[1] if missing else "is not a mapping of sections (corpus:, cell:, …)"
        raise refusal(tree.origin, "", message)
    if not tree.value:
        raise refusal(origin, "", "is empty; an experiment has sections (corpus:, cell:, …)")
    return tree


def _merge_bases(
    tree: Located, folder: Path, seen: tuple[Path, ...], count: Iterator[int]
) -> Located:
    """Lay a file over those that it extends, each over the one before.

    `seen` are the file and those that extend it; `count` counts every file that is read.
    """
    bases = tree.items.get("extends")
    if bases is None:
        return tree
    below: Located | None = None
    for base in bases.value if isinstance(bases.value, list) else [bases]:
        if not isinstance(base.value, str) or not base.value:
            message = "should be the path of an experiment file, or a list of such paths"
            raise refusal(base.origin, "extends", message)
        read = _read_base(base, folder, seen, count)
        below = read if below is None else merge(below, read)
    own = Located({k: v for k, v in tree.items.items() if k != "extends"}, tree.origin)
    return own if below is None else merge(below, own)


def _read_base(
    base: Located, folder: Path, seen: tuple[Path, ...], count: Iterator[int]
) -> Located:
    path = folder / str(base.value)
    try:
        text = read_text(path)
        circular = any(map(path.samefile, seen))
    except (ExperimentError, OSError) as error:
        raise refusal(base.origin, "extends", str(error)) from None
    if circular:
        raise refusal(base.origin, "extends", f"goes in a circle: {base.value}")
    if next(count) >= MAX_BASES:
        raise refusal(base.origin, "extends", f"leads to more than {MAX_BASES} files")
    _expect_experiment(text, path, base.origin)
    return _merge_bases(mapping_in(text, path), path.parent, (*seen, path.absolute()), count)


def _expect_experiment(text: str, path: Path, origin: Origin) -> None:
    """Check that a file that `extends` names is an experiment.

    The author of `extends` may not be allowed to read it, so no content of other files is shown.
    """
    try:
        keys = load_yaml(text, Origin("")).items.keys()
    except ExperimentError:
        is_experiment = _SECTION.search(text) is not None  # its syntax error is shown later
    else:
        is_experiment = bool(SECTIONS & keys) or not text.strip()
    if not is_experiment:
        message = f"{path}: is not an experiment (it has no section of one)"
        raise refusal(origin, "extends", message)


def _lost_overrides(before: Located, after: Located, override: str) -> Iterator[str]:
    """One notice for each overridden option that a later override replaced with what it is in."""
    left = dict(_options(after))
    for key, located in _options(before):
        there = any(f"{name}.".startswith(f"{key}.") or key.startswith(f"{name}.") for name in left)
        if located.origin.is_override and not there:
            outside = "the section" if key.count(".") == 1 else "what it is in"
            yield f"{key} ({located.origin}) is lost: {Override(override)} replaces {outside}"


def _options(tree: Located) -> Iterator[tuple[str, Located]]:
    """Every value inside the sections that name components, by its dotted key."""
    for section in SINGLE:
        if section in tree.items:
            yield from _leaves(section, tree.items[section])


def _leaves(key: str, located: Located) -> Iterator[tuple[str, Located]]:
    """The values in a mapping, and in a list of mappings; other lists are values themselves."""
    value = located.value
    steps: list[str | int] = []
    if isinstance(value, dict):
        steps = list(value)
    elif isinstance(value, list) and any(isinstance(item.value, dict) for item in value):
        steps = list(range(len(value)))
    if not steps:
        yield key, located
    for step in steps:
        yield from _leaves(f"{key}.{step}", located.at([step]))


def _read_override(override: str) -> Located:
    key, equals, text = override.partition("=")
    steps = [step.strip() for step in key.split(".")]
    if not equals or not all(steps):
        raise UsageError(f"{Override(override)}: should be KEY=VALUE, as in train.epochs=2")
    if len(steps) > MAX_DEPTH:
        raise refusal(
            str(Override(f"{override[:40]}…")), "", f"nests deeper than {MAX_DEPTH} levels"
        )
    words = override.words if isinstance(override, Worded) else str(Override(override))
    origin = Origin(words, folder=Path.cwd(), is_override=True)
    try:
        value = locate(plain(load_yaml(text, origin)) if text else None, origin)
    except ExperimentError as error:
        problem = error.complaints[0].message
        raise refusal(origin, "", f"the value is not YAML: {problem}") from None
    if steps[1:] and steps[-1] == "name" and steps[0] in SECTIONS and isinstance(value.value, str):
        steps = steps[:-1]  # the same as a bare name
    if steps[0] == SPACE and steps[1:]:
        steps = [SPACE, ".".join(steps[1:])]  # the keys of a sweep's space are dotted themselves
    for step in reversed(steps):
        value = Located({step: value}, origin)
    return value
