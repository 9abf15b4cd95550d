"""YAML in -> Experiment out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqlab.errors import Complaint, ExperimentError, UsageError
from seqlab.experiment.located import MAX_DEPTH, Located, Origin, locate, plain
from seqlab.experiment.merging import merge
from seqlab.experiment.yaml12 import dump_yaml, load_yaml, read_text
from seqlab.paths import named_path

MAX_BASES = 20


@dataclass(frozen=True)
class Experiment:
    """Names and plain values, each with its origin; nothing is known about plugins yet.

    `name` is the file's stem, `source` the YAML as it was given, `overrides` what `--set` said.
    """

    name: str
    tree: Located
    source: str
    overrides: tuple[str, ...] = ()

    def overridden(self, overrides: Sequence[str]) -> Experiment:
        """Lay `KEY=VALUE` overrides over the experiment.

        Raises:
            UsageError: an override is not of that form.
        """
        if isinstance(overrides, str):
            raise UsageError(f"overrides should be a list of KEY=VALUE, not the text {overrides!r}")
        tree = self.tree
        for override in overrides:
            tree = merge(tree, _read_override(override))
        return replace(self, tree=tree, overrides=(*self.overrides, *overrides))


def read_experiment(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), *, name: str = ""
) -> Experiment:
    """Read an experiment file, or take one as a mapping, and lay `KEY=VALUE` overrides over it.

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
        text, stem = read_text(path), path.stem
        tree = _read_tree(text, path, ())
    return Experiment(name or stem, tree, text).overridden(overrides)


def _read_tree(text: str, path: Path, seen: tuple[Path, ...]) -> Located:
    """Read a document and lay it over the one that it extends; `seen` are those that extend it."""
    origin = Origin(str(path), folder=path.parent.absolute())
    tree = load_yaml(text, origin)
    if not isinstance(tree.value, dict):
        raise _complaint(tree.origin, "", "is not a mapping of sections (corpus:, cell:, …)")
    if not tree.value:
        raise _complaint(origin, "", "is empty; an experiment has sections (corpus:, cell:, …)")
    return _laid_over_base(tree, path.parent, (*seen, path.absolute()))


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
    return merge(_read_tree(text, path, seen), own)


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
    for step in reversed(steps):
        value = Located({step: value}, origin)
    return value


def _complaint(origin: Origin, key: str, message: str) -> ExperimentError:
    return ExperimentError([Complaint(str(origin), key, message)])
