"""YAML in -> Experiment out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqlab.errors import Complaint, ExperimentError, UsageError
from seqlab.experiment.located import MAX_DEPTH, Located, Origin, locate, plain
from seqlab.experiment.merging import merge
from seqlab.experiment.sections import COMPONENT_SECTIONS, CORE_SECTIONS
from seqlab.experiment.yaml12 import dump_yaml, load_yaml, read_text
from seqlab.paths import named_path

MAX_BASES = 20
SECTIONS = {*COMPONENT_SECTIONS, *CORE_SECTIONS, "observers", "requires", "extends"}
_SET = "--set "
_SECTION = re.compile(rf"^['\"]?({'|'.join(sorted(SECTIONS))})['\"]?\s*:", re.MULTILINE)


@dataclass(frozen=True)
class Experiment:
    """Names and plain values, each with its origin; nothing is known about plugins yet.

    `name` is the file's stem, `source` the YAML as it was given, `overrides` what `--set` said;
    `notices` are about what one of them took from another.
    """

    name: str
    tree: Located
    source: str
    overrides: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def overridden(self, overrides: Sequence[str]) -> Experiment:
        """Lay `KEY=VALUE` overrides over the experiment.

        Raises:
            UsageError: an override is not of that form.
        """
        if isinstance(overrides, str):
            raise UsageError(f"overrides should be a list of KEY=VALUE, not the text {overrides!r}")
        tree, lost = self.tree, list(self.notices)
        for override in overrides:
            before, tree = tree, merge(tree, _read_override(override))
            lost += _lost(before, tree, override)
        said = (*self.overrides, *overrides)
        return replace(self, tree=tree, overrides=said, notices=tuple(lost))


def read_experiment(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    name: str = "",
    record: bool = False,
) -> Experiment:
    """Read an experiment file, or take one as a mapping, and lay `KEY=VALUE` overrides over it.

    Args:
        source: the file, or its content.
        overrides: what `--set` says.
        name: of the experiment; empty: the file's.
        record: it is the record of a run, which has everything filled in: no link is followed, and
            no other file.

    Raises:
        ExperimentError: the file is not one YAML mapping, or extends one that is not.
        UsageError: an override is not of the form KEY=VALUE.
    """
    if isinstance(source, Mapping):
        tree = locate(source, Origin("experiment", folder=Path.cwd()))
        text, stem = dump_yaml(plain(tree)), "experiment"
        tree = _laid_over_base(tree, Path.cwd(), ())
    else:
        path = named_path(source, "experiment")
        text, stem = read_text(path, record=record), path.stem
        tree = _read_record(text, path) if record else _read_tree(text, path, ())
    return Experiment(name or stem, tree, text).overridden(overrides)


def _read_tree(text: str, path: Path, seen: tuple[Path, ...]) -> Located:
    """Read a document and lay it over the one that it extends; `seen` are those that extend it."""
    tree = _mapping(text, path)
    return _laid_over_base(tree, path.parent, (*seen, path.absolute()))


def _read_record(text: str, path: Path) -> Located:
    tree = _mapping(text, path)
    if "extends" in tree.items:
        message = "is in the record of a run, which has everything filled in"
        raise _complaint(tree.items["extends"].origin, "extends", message)
    return tree


def _mapping(text: str, path: Path) -> Located:
    origin = Origin(str(path), folder=path.parent.absolute())
    tree = load_yaml(text, origin)
    if not isinstance(tree.value, dict):
        raise _complaint(tree.origin, "", "is not a mapping of sections (corpus:, cell:, …)")
    if not tree.value:
        raise _complaint(origin, "", "is empty; an experiment has sections (corpus:, cell:, …)")
    return tree


def _laid_over_base(tree: Located, folder: Path, seen: tuple[Path, ...]) -> Located:
    base = tree.items.get("extends")
    if base is None:
        return tree
    if not isinstance(base.value, str) or not base.value:
        raise _complaint(base.origin, "extends", "should be the path of one experiment file")
    path = folder / base.value
    own = Located({k: v for k, v in tree.items.items() if k != "extends"}, tree.origin)
    try:
        text = read_text(path)
        circle = any(path.samefile(one) for one in seen)
    except (ExperimentError, OSError) as error:
        raise _complaint(base.origin, "extends", str(error)) from None
    if circle:
        raise _complaint(base.origin, "extends", f"goes in a circle: {base.value}")
    if len(seen) > MAX_BASES:
        raise _complaint(base.origin, "extends", f"goes on for more than {MAX_BASES} files")
    _expect_experiment(text, path, base.origin)
    return merge(_read_tree(text, path, seen), own)


def _expect_experiment(text: str, path: Path, origin: Origin) -> None:
    """See to it that a file that is named by another is meant to be one.

    Whoever wrote `extends` may not be who may read that file, so of any other file not a word is
    said.
    """
    try:
        keys = load_yaml(text, Origin("")).items.keys()
    except ExperimentError:
        meant = _SECTION.search(text) is not None  # so that its author hears what is wrong
    else:
        meant = bool(SECTIONS & keys) or not text.strip()
    if not meant:
        raise _complaint(
            origin, "extends", f"{path}: is no experiment (it has none of its sections)"
        )


def _lost(before: Located, after: Located, override: str) -> Iterator[str]:
    """Say which options of a component were given by `--set` and replaced with their section."""
    for section in COMPONENT_SECTIONS:
        old, new = (tree.items.get(section, tree).items for tree in (before, after))
        for key in old.keys() - new.keys():
            label = old[key].origin.label
            if section in before.items and label.startswith(_SET):
                yield f"{section}.{key} ({label}) is lost: --set {override} replaces the section"


def _read_override(override: str) -> Located:
    key, equals, text = override.partition("=")
    steps = [step.strip() for step in key.split(".")]
    if not equals or not all(steps):
        raise UsageError(f"--set {override}: should be KEY=VALUE, as in train.epochs=2")
    if len(steps) > MAX_DEPTH:
        origin = Origin(f"--set {override[:40]}…")
        raise _complaint(origin, "", f"nests deeper than {MAX_DEPTH} levels")
    origin = Origin(f"--set {override}", folder=Path.cwd())
    try:
        value = locate(plain(load_yaml(text, origin)) if text else None, origin)
    except ExperimentError as error:
        said = error.complaints[0].message
        raise _complaint(origin, "", f"the value is not YAML: {said}") from None
    if steps[1:] == ["name"] and steps[0] in COMPONENT_SECTIONS and isinstance(value.value, str):
        steps = steps[:1]  # as a bare name: options that the new component has too stay
    for step in reversed(steps):
        value = Located({step: value}, origin)
    return value


def _complaint(origin: Origin, key: str, message: str) -> ExperimentError:
    return ExperimentError([Complaint(str(origin), key, message)])
