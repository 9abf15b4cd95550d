"""A sweep file in -> a sweep that was checked, or every complaint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from seqlab.arguments import named_path
from seqlab.errors import Complaint, ExperimentError
from seqlab.experiment import Experiment
from seqlab.experiment.located import Located, plain
from seqlab.experiment.overrides import Overrides
from seqlab.experiment.reading import SECTIONS, SPACE, mapping_in, with_bases
from seqlab.experiment.yaml12 import dump_yaml, read_text
from seqlab.registry import Registry
from seqlab.registry.option_values import check_options, suggest
from seqlab.registry.section_binding import SectionBinder
from seqlab.sweeps.checking import PointChecker
from seqlab.sweeps.dimensions import SpaceReader
from seqlab.sweeps.settings import Settings
from seqlab.sweeps.space import Dimension, Numbers, grid, grid_size
from seqlab.sweeps.sweep import SEED, Sweep

MOST_TRIALS = 100_000


def read_sweep(source: str | Path, registry: Registry, overrides: Overrides = ()) -> Sweep:
    """Read a sweep file and check all of it.

    Args:
        source: the file.
        registry: the plugins, of which none need be imported.
        overrides: of the experiment, or of keys of the file.

    Raises:
        ExperimentError: with every complaint: about keys, and values of the space that the
            experiment would refuse.
    """
    path = named_path(source, "sweep")
    text = read_text(path)
    whole = Experiment(path.stem, mapping_in(text, path), text).overridden(overrides)
    experiment = _experiment(whole, path)
    settings, complaints = _settings(whole.tree, registry)
    checker = PointChecker(experiment, registry)
    reader = SpaceReader(checker.has_key)
    dimensions = _dimensions(whole.tree, reader)
    complaints += reader.complaints
    if settings is not None and not complaints:
        complaints += _conflicts(settings, dimensions, whole.tree)
    if dimensions:
        complaints += checker.check(dimensions)
    if settings is not None and not complaints:
        complaints += checker.check_settings(settings, dimensions, whole.tree)
    if complaints or settings is None:
        raise ExperimentError(complaints, plugin_at_fault=checker.plugin_at_fault)
    return Sweep(
        name=path.stem,
        experiment=experiment,
        dimensions=tuple(dimensions),
        settings=settings,
        trials=settings.trials or len(list(grid(dimensions))),
        metric=checker.metric(settings, dimensions),
        seed=checker.seed(dimensions),
        source=text,
        space=plain(whole.tree.items[SPACE]),
    )


def _experiment(whole: Experiment, path: Path) -> Experiment:
    """What the file extends, with the sections that it has itself."""
    own = {key: value for key, value in whole.tree.items.items() if key in SECTIONS}
    tree = with_bases(Located(own, whole.tree.origin), path)
    kept = tuple(o for o in whole.overrides if o.partition("=")[0].partition(".")[0] in SECTIONS)
    return Experiment(path.stem, tree, dump_yaml(plain(tree)), kept)


def _settings(tree: Located, registry: Registry) -> tuple[Settings | None, list[Complaint]]:
    options = registry.signature_of(Settings).options
    own = {k: v for k, v in tree.items.items() if k in options}
    binder = SectionBinder(registry)
    section = Located(own, tree.origin)
    checked = check_options(options, section, SPACE, "a sweep", binder.bind_part)
    complaints = [_without_prefix(complaint) for complaint in checked.complaints]
    known = {*options, SPACE, *SECTIONS}
    for key in tree.items.keys() - known:
        message = f"unknown key '{key}'{suggest(key, known)}"
        complaints.append(Complaint(str(tree.items[key].origin), key, message))
    return (None if checked.complaints else Settings(**checked.values)), complaints


def _without_prefix(complaint: Complaint) -> Complaint:
    return Complaint(complaint.where, complaint.key.removeprefix(f"{SPACE}."), complaint.message)


def _dimensions(tree: Located, reader: SpaceReader) -> list[Dimension]:
    if SPACE not in tree.items:
        reader.complain(tree.origin, "", "this section is missing")
        return []
    return reader.read(tree.items[SPACE])


def _conflicts(
    settings: Settings, dimensions: Sequence[Dimension], tree: Located
) -> Iterator[Complaint]:
    """What is wrong with a search of this space, whatever the experiment."""

    def at(key: str, message: str, of: Any = tree) -> Complaint:
        return Complaint(str(of.at([key]).origin), key, message)

    if settings.search == "grid":
        yield from _grid_conflicts(settings, dimensions, at)
    elif settings.trials is None:
        yield at("trials", "says how many points are tried; only a grid ends by itself")
    if settings.trials is not None and settings.trials > MOST_TRIALS:
        yield at("trials", f"should be at most {MOST_TRIALS:,}")
    if settings.search == "cmaes":
        for one in dimensions:
            if not isinstance(one.values, Numbers) or one.where:
                message = "search: cmaes moves through numbers that every trial has; take tpe"
                yield Complaint(str(one.located.origin), f"{SPACE}.{one.name}", message)
    for one in dimensions:
        if one.key == SEED and settings.seeds > 1:
            message = "is searched, so `seeds` should be 1"
            yield Complaint(str(one.located.origin), f"{SPACE}.{one.name}", message)


def _grid_conflicts(
    settings: Settings, dimensions: Sequence[Dimension], at: Any
) -> Iterable[Complaint]:
    uncounted = [one for one in dimensions if one.listed is None]
    for one in uncounted:
        message = "a grid needs values that can be counted: a list, integers, or a step"
        yield Complaint(str(one.located.origin), f"{SPACE}.{one.name}", message)
    if uncounted:
        return
    if grid_size(dimensions) > MOST_TRIALS:
        yield at(SPACE, f"has {grid_size(dimensions):,} points, more than {MOST_TRIALS:,}")
        return
    count = len(list(grid(dimensions)))
    if settings.trials is not None and settings.trials > count:
        yield at("trials", f"is {settings.trials}, but the grid has {count} points")
