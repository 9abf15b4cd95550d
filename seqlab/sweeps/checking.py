"""Every value of a space, checked as an experiment is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from seqlab.errors import Complaint
from seqlab.experiment import Experiment
from seqlab.experiment.located import Located, plain
from seqlab.records import MEASURED
from seqlab.registry import Registry, Resolved, resolve_partially
from seqlab.registry.choices import Place, whole_experiment
from seqlab.registry.option_values import suggest
from seqlab.sweeps.settings import Metric, Settings
from seqlab.sweeps.space import Dimension, Label, Numbers, Point, point_of, settings_of
from seqlab.sweeps.sweep import laid

NOT_METRICS = ("step", "epoch", "split", "tokens", "lr", "seconds", "tokens_per_second")


@dataclass
class PointChecker:
    """Checks points of a space.

    Args:
        experiment: that they change.
        registry: the plugins.
    """

    experiment: Experiment
    registry: Registry
    plugin_at_fault: bool = False

    def has_key(self, component: str, option: str, value: Located) -> bool:
        """Whether an option is one of a component, where that is a value of a key."""
        written = plain(laid(self.experiment, [(component, value)]).tree)
        return replace(self._place, written=written).at(option.split(".")) is not None

    @cached_property
    def _place(self) -> Place:
        return whole_experiment(self.registry, {})

    def check(self, dimensions: Sequence[Dimension]) -> list[Complaint]:
        """Complain about every value that an experiment would refuse."""
        # a misspelt option is said once, at its first value
        said: dict[tuple[str, str], Complaint] = {}
        for settings in self._tried(dimensions):
            for found in self._complaints(settings):
                said.setdefault((found.key, found.message), found)
        complaints = list(said.values())
        return complaints + [
            complaint for one in dimensions if (complaint := self._not_whole(one, dimensions))
        ] * (not complaints)

    def _tried(self, dimensions: Sequence[Dimension]) -> Iterator[list[tuple[str, Located]]]:
        """Points in which each value, and both ends of numbers, are once at least."""
        for one in dimensions:
            for label, value in _ends(one):
                for point in _where_it_applies(one, dimensions, label):
                    settings = settings_of(dimensions, point)
                    yield [(k, value if k == one.key else v) for k, v in settings]

    def _complaints(self, settings: Sequence[tuple[str, Located]]) -> Sequence[Complaint]:
        _, binder = resolve_partially(laid(self.experiment, settings), self.registry)
        self.plugin_at_fault |= binder.plugin_at_fault
        return binder.complaints

    def _not_whole(self, one: Dimension, dimensions: Sequence[Dimension]) -> Complaint | None:
        """Complain about a range of an option that takes whole numbers."""
        numbers = one.values
        if not isinstance(numbers, Numbers) or numbers.whole:
            return None
        middle = Located(numbers.low + 0.3717 * (numbers.high - numbers.low), one.located.origin)
        point = next(_where_it_applies(one, dimensions, numbers.low))
        settings = [(k, middle if k == one.key else v) for k, v in settings_of(dimensions, point)]
        refused = [c for c in self._complaints(settings) if c.key == one.key]
        if not refused or isinstance(numbers.step, int):
            return None
        word = "log_integers" if numbers.log else "integers"
        message = f"{refused[0].message}; numbers without a fraction are {{{word}: …}}"
        return Complaint(str(one.located.origin), f"space.{one.name}", message)

    def check_settings(
        self, settings: Settings, dimensions: Sequence[Dimension], tree: Located
    ) -> Iterator[Complaint]:
        """Complain about settings that do not go with the experiment."""
        resolved = self._first(dimensions)
        yield from _metric_complaints(settings, resolved, tree)
        shards = resolved.train.shards
        if shards > 1 and shards % settings.workers:
            message = f"is {settings.workers}, which does not divide train.shards ({shards})"
            yield Complaint(str(tree.at(["workers"]).origin), "workers", message)

    def metric(self, settings: Settings, dimensions: Sequence[Dimension]) -> Metric:
        """The metric with its split."""
        measure = settings.measure
        if measure.split is not None:
            return measure
        evaluation = self._first(dimensions).evaluation
        return replace(measure, split=evaluation.split if evaluation else "train")

    def seed(self, dimensions: Sequence[Dimension]) -> int:
        return self._first(dimensions).train.seed

    def _first(self, dimensions: Sequence[Dimension]) -> Resolved:
        """The experiment at the first point, which was found valid."""
        settings = settings_of(dimensions, point_of(dimensions, _first_label))
        resolved, _ = resolve_partially(laid(self.experiment, settings), self.registry)
        return resolved


def _metric_complaints(
    settings: Settings, resolved: Resolved, tree: Located
) -> Iterator[Complaint]:
    measure, where = settings.measure, tree.at(["metric"])
    evaluation = resolved.evaluation
    splits = ["train", *([evaluation.split] if evaluation else [])]
    if measure.split not in (None, *splits):
        message = f"split '{measure.split}' is never scored{suggest(measure.split or '', splits)}"
        yield Complaint(str(where.at(["split"]).origin), "metric.split", message)
    further = bool(evaluation and (evaluation.metrics or evaluation.methods))
    known = [name for name in MEASURED if name not in NOT_METRICS]
    ordinary = resolved.objective.component.name == "next_token" and not further
    if ordinary and measure.name not in known:
        message = f"no row has '{measure.name}'{suggest(measure.name, known)}"
        yield Complaint(str(where.at(["name"]).origin), "metric", message)


def _first_label(dimension: Dimension) -> Label:
    values = dimension.values
    return values.low if isinstance(values, Numbers) else values[0].label


def _ends(dimension: Dimension) -> list[tuple[Label, Located]]:
    """All values of a list, or the least and the most number, with where they are written."""
    values = dimension.values
    if isinstance(values, Numbers):
        return [(values.low, values.ends[0]), (values.high, values.ends[1])]
    return [(choice.label, choice.located) for choice in values]


def _where_it_applies(
    one: Dimension, dimensions: Sequence[Dimension], own: Label
) -> Iterator[Point]:
    """Points at which a dimension has a label: one for each component that it may belong to."""
    wanted = {condition.name: condition.labels for condition in one.where}
    for name, labels in wanted.items() or {one.name: (own,)}.items():
        for label in labels:
            first = {key: some[0] for key, some in wanted.items()}
            chosen = {**first, name: label, one.name: own}
            yield point_of(dimensions, lambda d, c=chosen: c.get(d.name, _first_label(d)))  # type: ignore[misc] # of a default
