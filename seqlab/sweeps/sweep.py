"""A sweep: an experiment, a space around it, and how that is searched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from seqlab.experiment import Experiment
from seqlab.experiment.located import Located, Origin, plain
from seqlab.experiment.merging import merge
from seqlab.experiment.yaml12 import dump_flow
from seqlab.sweeps.settings import Metric, Settings
from seqlab.sweeps.space import Dimension, Point, settings_of

SEED = "train.seed"


@dataclass(frozen=True)
class Sweep:
    """A sweep file that was checked.

    Args:
        name: of the file, and of the folder of its runs.
        experiment: that every trial changes.
        dimensions: of the space, those first that others depend on.
        settings: how it is searched.
        trials: how many points are tried in all.
        metric: what a trial is judged by; its split is known.
        seed: of the first run of each trial.
        source: the file as it was given.
        space: as it was written, with plain values.
    """

    name: str
    experiment: Experiment
    dimensions: tuple[Dimension, ...]
    settings: Settings
    trials: int
    metric: Metric
    seed: int
    source: str
    space: dict[str, Any]

    @property
    def identity(self) -> str:
        """A hash of all that makes trials comparable, in hexadecimal digits."""
        settings = self.settings
        facts = [
            plain(self.experiment.tree),
            self.space,
            vars(self.metric),
            [settings.minimizes, settings.search, settings.seed, settings.seeds, settings.prune],
        ]
        return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()

    def experiment_at(self, point: Point, index: int = 0, threads: int | None = None) -> Experiment:
        """Return the experiment at a point.

        Args:
            point: of the space.
            index: of the seed, from 0.
            threads: of the run, unless the experiment says it; None: as torch decides.
        """
        settings = settings_of(self.dimensions, point)
        origin = Origin("sweep")
        if not any(key == SEED for key, _ in settings):
            settings.append((SEED, Located(self.seed + index, origin)))
        written = self.experiment.tree.at(["train", "threads"])
        if threads is not None and not isinstance(written.value, int):
            settings.append(("train.threads", Located(threads, origin)))
        return laid(self.experiment, settings)


def laid(experiment: Experiment, settings: Sequence[tuple[str, Located]]) -> Experiment:
    """Lay values of keys over an experiment; a path is relative to the file that has it."""
    tree = experiment.tree
    for key, value in settings:
        over = value
        for step in reversed(key.split(".")):
            over = Located({step: over}, value.origin)
        tree = merge(tree, over)
    texts = tuple(f"{key}={dump_flow(plain(value))}" for key, value in settings)
    return replace(experiment, tree=tree, overrides=(*experiment.overrides, *texts))
