"""The section `space` of a sweep file -> dimensions, or complaints."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from seqlab.errors import Complaint
from seqlab.experiment.located import Located, Origin, plain
from seqlab.experiment.yaml12 import dump_flow
from seqlab.registry.option_values import suggest
from seqlab.sweeps.space import Choice, Condition, Dimension, Label, Numbers, same

FORMS = {
    "range": (False, False),
    "log_range": (True, False),
    "integers": (False, True),
    "log_integers": (True, True),
}
"""Words for numbers: whether their logarithm is spread evenly, whether they are integers."""
MOST_INTEGER = 2**53  # beyond it neighbours are one float

HasKey = Callable[[str, str, Located], bool]
"""(key of a component, key of an option, component) -> whether the component has the option."""


@dataclass
class SpaceReader:
    """Reads dimensions, and collects what is wrong with them.

    Args:
        has_key: knows the options of components.
    """

    has_key: HasKey
    complaints: list[Complaint] = field(default_factory=list)

    def complain(self, origin: Origin, key: str, message: str) -> None:
        self.complaints.append(Complaint(str(origin), f"space.{key}" if key else "space", message))

    def read(self, space: Located) -> list[Dimension]:
        """Return the dimensions, those first that others depend on."""
        if not isinstance(space.value, dict) or not space.value:
            message = "should be a mapping of keys of the experiment, each with its values"
            self.complain(space.origin, "", message)
            return []
        plain_keys = {_normal(k): v for k, v in space.items.items() if "=" not in k}
        found = [d for k, v in _parents_first(plain_keys) if (d := self._dimension(k, k, v, ()))]
        found = [d for one in found if (d := self._where_it_is_an_option(one, found))]
        for condition, located in space.items.items():
            if "=" in condition:
                found += self._conditional(condition, located, found)
        self._refuse_doubles(found)
        return found

    def _conditional(
        self, text: str, located: Located, known: Sequence[Dimension]
    ) -> Iterator[Dimension]:
        """The dimensions below `KEY=VALUE`, which are searched where that holds."""
        condition = self._condition(text, located, known)
        if condition is None:
            return
        if not isinstance(located.value, dict) or not located.value:
            message = "should be a mapping of keys, which are searched where this holds"
            self.complain(located.origin, text, message)
            return
        for key, values in _parents_first({_normal(k): v for k, v in located.items.items()}):
            if "=" in key:
                self.complain(values.origin, f"{text}.{key}", "is a condition inside another one")
                continue
            one = self._dimension(f"{key} ({text})", key, values, (condition,))
            if one and (whole := self._where_it_is_an_option(one, known)):
                yield whole

    def _condition(
        self, text: str, located: Located, known: Sequence[Dimension]
    ) -> Condition | None:
        key, _, value = (part.strip() for part in text.partition("="))
        parents = {d.name: d for d in known if isinstance(d.values, tuple)}
        if key not in parents:
            message = f"'{key}' is no list of this space{suggest(key, parents)}"
            self.complain(located.origin, text, message)
            return None
        labels = parents[key].listed or []
        chosen = [label for label in labels if value in (str(label), dump_flow(label))]
        if not chosen and parents[key].located.origin.is_override:
            return None  # it was written for a value that an override took away
        if not chosen:
            known_values = [dump_flow(label) for label in labels]
            message = f"'{key}' has no value '{value}'{suggest(value, known_values)}"
            self.complain(located.origin, text, message)
            return None
        return Condition(key, tuple(chosen))

    def _where_it_is_an_option(
        self, one: Dimension, known: Sequence[Dimension]
    ) -> Dimension | None:
        """Add the condition that a component which is searched has this option."""
        where = [*one.where]
        for parent in known:
            if not one.key.startswith(f"{parent.key}.") or not isinstance(parent.values, tuple):
                continue
            fixed = [c.labels for c in one.where if c.name == parent.name]
            tried = [c for c in parent.values if not fixed or _among(c.label, fixed[0])]
            having = [c.label for c in tried if self.has_key(parent.key, one.key, c.located)]
            if not having:
                names = ", ".join(dump_flow(choice.label) for choice in tried)
                option = one.key.removeprefix(f"{parent.key}.")
                message = f"no '{parent.key}' that is searched ({names}) has an option '{option}'"
                self.complain(one.located.origin, one.name, message)
                return None
            if len(having) < len(tried):
                where.append(Condition(parent.name, tuple(having)))
        return Dimension(one.name, one.key, one.values, tuple(where), one.located)

    def _refuse_doubles(self, found: Sequence[Dimension]) -> None:
        for index, one in enumerate(found):
            for other in found[:index]:
                if one.key == other.key and _overlap(one, other):
                    message = f"is searched as '{other.name}', too; say of each where it is"
                    self.complain(one.located.origin, one.name, message)

    # -- values

    def _dimension(
        self, name: str, key: str, located: Located, where: tuple[Condition, ...]
    ) -> Dimension | None:
        if isinstance(located.value, list):
            values: tuple[Choice, ...] | Numbers | None = self._choices(name, located)
        else:
            values = self._numbers(name, located)
        return None if values is None else Dimension(name, key, values, where, located)

    def _choices(self, name: str, located: Located) -> tuple[Choice, ...] | None:
        assert isinstance(located.value, list)  # noqa: S101 # for the type checker
        choices = [Choice(_label(item), item) for item in located.value]
        if not choices:
            self.complain(located.origin, name, "should have at least one value")
            return None
        for index, choice in enumerate(choices):
            if choice.label != choice.label:
                self.complain(choice.located.origin, name, "should be a number, not NaN")
                return None
            if any(choice.label == other.label for other in choices[:index]):
                message = f"has {dump_flow(choice.label)} twice"
                self.complain(choice.located.origin, name, message)
                return None
        return tuple(choices)

    def _numbers(self, name: str, located: Located) -> Numbers | None:
        form = next((word for word in FORMS if word in located.items), None)
        if form is None:
            message = (
                f"should be a list of values, or numbers such as {{{next(iter(FORMS))}: [0, 1]}}"
            )
            wrong = next(iter(located.items), "")
            message += suggest(wrong, FORMS) if wrong else f" ({', '.join(FORMS)})"
            self.complain(located.origin, name, message)
            return None
        log, whole = FORMS[form]
        for key in located.items.keys() - {form, "step"}:
            self.complain(located.items[key].origin, f"{name}.{key}", f"is not a key of {form}")
            return None
        ends = located.items[form]
        problem = _problem_of_ends(ends, log=log, whole=whole)
        if problem:
            self.complain(ends.origin, f"{name}.{form}", problem)
            return None
        low, high = ends.at([0]), ends.at([1])
        step = located.items.get("step")
        if step is not None and (problem := _problem_of_step(step, low, high, log, whole)):
            self.complain(step.origin, f"{name}.step", problem)
            return None
        given = plain(step) if step is not None else None
        return Numbers(plain(low), plain(high), log, whole, given, (low, high))


def _normal(key: str) -> str:
    """A key without blanks; `cell.name` is `cell`."""
    return ".".join(step.strip() for step in key.split(".")).removesuffix(".name")


def _parents_first(space: dict[str, Located]) -> list[tuple[str, Located]]:
    """Keys with those before them that they are parts of; else in the order of the file."""
    return sorted(space.items(), key=lambda item: item[0].count("."))


def _label(item: Located) -> Label:
    """A scalar as it is; of anything else its text."""
    value = plain(item)
    return dump_flow(value) if isinstance(value, dict | list) else value


def _among(label: Label, labels: Sequence[Label]) -> bool:
    return any(same(label, other) for other in labels)


def _overlap(one: Dimension, other: Dimension) -> bool:
    """Whether both may apply to a point."""
    for mine in one.where:
        for theirs in other.where:
            if mine.name == theirs.name and not any(_among(x, theirs.labels) for x in mine.labels):
                return False
    return True


def _problem_of_ends(ends: Located, *, log: bool, whole: bool) -> str:
    values = plain(ends)
    right = "should be the least and the most of them, as in [1, 10]"
    if not isinstance(values, list) or len(values) != 2:
        return right
    kinds = (int,) if whole else (int, float)
    if any(isinstance(v, bool) or not isinstance(v, kinds) for v in values):
        return f"{right}{', whole numbers' if whole else ''}"
    if not all(math.isfinite(v) and abs(v) <= (MOST_INTEGER if whole else 1e300) for v in values):
        return f"{right}, and not so large"
    if values[0] >= values[1]:
        return f"should begin with the smaller number; it is {dump_flow(values)}"
    if log and values[0] <= 0:
        return f"should be above 0, as a logarithm is taken; it begins with {values[0]}"
    return ""


def _problem_of_step(step: Located, low: Located, high: Located, log: bool, whole: bool) -> str:
    value = plain(step)
    if log:
        return "is not for logarithms; leave it out, or list the values"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return f"should be a {'whole ' if whole else ''}number"
    if not 0 < value <= plain(high) - plain(low):
        return "should be above 0, and at most what lies between both ends"
    return ""
