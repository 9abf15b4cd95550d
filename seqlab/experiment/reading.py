"""YAML in -> Experiment out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.errors import Complaint, ExperimentError, UsageError
from seqlab.experiment.located import Located, Origin, locate
from seqlab.experiment.merging import merge
from seqlab.experiment.yaml12 import dump_yaml, load_yaml, read_text


@dataclass(frozen=True)
class Experiment:
    """Names and plain values, each with its origin; nothing is known about plugins yet.

    `name` is the file's stem, `source` the YAML as it was given, `overrides` what `--set` said.
    """

    name: str
    tree: Located
    source: str
    overrides: tuple[str, ...] = ()


def read_experiment(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), *, name: str = ""
) -> Experiment:
    """Read an experiment file, or take one as a mapping, and lay `KEY=VALUE` overrides over it.

    Raises:
        ExperimentError: the file is not one YAML mapping, or extends one that is not.
        UsageError: an override is not of the form KEY=VALUE.
    """
    if isinstance(source, Mapping):
        tree = locate(dict(source), Origin("experiment"))
        text, stem = dump_yaml(dict(source)), "experiment"
    else:
        path = Path(source)
        text, stem = read_text(path), path.stem
        tree = _with_base(text, path, ())
    for override in overrides:
        tree = merge(tree, _read_override(override))
    return Experiment(name or stem, tree, text, tuple(overrides))


def _with_base(text: str, path: Path, seen: tuple[Path, ...]) -> Located:
    """Read a document and lay it over the one that it extends."""
    origin = Origin(str(path), folder=path.parent.absolute())
    tree = load_yaml(text, origin)
    if not isinstance(tree.value, dict):
        raise _complaint(tree.origin, "", "is not a mapping of sections (corpus:, cell:, …)")
    if not tree.value:
        raise _complaint(origin, "", "is empty; an experiment has sections (corpus:, cell:, …)")
    base = tree.items.get("extends")
    if base is None:
        return tree
    if not isinstance(base.value, str) or not base.value:
        raise _complaint(base.origin, "extends", "should be the path of one experiment file")
    base_path = path.parent / base.value
    seen = (*seen, path.resolve())
    if base_path.resolve() in seen:
        raise _complaint(base.origin, "extends", f"goes in a circle: {base.value}")
    own = Located({k: v for k, v in tree.items.items() if k != "extends"}, tree.origin)
    try:
        text = read_text(base_path)
    except ExperimentError as error:
        raise _complaint(base.origin, "extends", str(error)) from None
    return merge(_with_base(text, base_path, seen), own)


def _read_override(override: str) -> Located:
    key, equals, text = override.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps):
        raise UsageError(f"--set {override}: should be KEY=VALUE, as in train.epochs=2")
    origin = Origin(f"--set {override}", folder=Path.cwd())
    located = load_yaml(text, Origin(origin.label, folder=origin.folder)) if text else None
    value = _strip_places(located, origin) if located else Located(None, origin)
    for step in reversed(steps):
        value = Located({step: value}, origin)
    return value


def _strip_places(located: Located, origin: Origin) -> Located:
    """A line and column inside an override help nobody: the override is its own place."""
    value = located.value
    if isinstance(value, dict):
        return Located({k: _strip_places(v, origin) for k, v in value.items()}, origin)
    if isinstance(value, list):
        return Located([_strip_places(item, origin) for item in value], origin)
    return Located(value, origin)


def _complaint(origin: Origin, key: str, message: str) -> ExperimentError:
    return ExperimentError([Complaint(str(origin), key, message)])
