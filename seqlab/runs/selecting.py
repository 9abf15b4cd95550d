"""Conditions on runs, and their order: `--where cell=gru`, `--sort -best`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seqlab.errors import ExperimentError, UsageError
from seqlab.experiment.located import Origin, plain
from seqlab.experiment.yaml12 import dump_flow, load_yaml
from seqlab.registry.option_values import suggest
from seqlab.runs.listing import COLUMNS, ListedRun
from seqlab.runs.settings import ABSENT, flatten, value_at

_CONDITION = re.compile(r"\s*([^=!<>]*?)\s*(==|!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OTHER_NAMES = {"name": "run", "tag": "tags"}


@dataclass(frozen=True)
class Condition:
    """`key` is a column of a list of runs, or of the experiment; `text` is the value as written."""

    key: str
    operator: str
    text: str

    @property
    def value(self) -> Any:
        """The value as an experiment would read it; text that is no YAML is that text."""
        try:
            return plain(load_yaml(self.text, Origin("a condition"))) if self.text else ""
        except ExperimentError:
            return self.text

    def holds(self, run: ListedRun) -> bool:
        """Whether a run is meant; one that lacks the key differs from every value."""
        has = column(run, self.key)
        if self.operator in _ORDERS:
            both = _is_number(has) and _is_number(self.value)
            return both and _ORDERS[self.operator](has, self.value)
        values = (has or []) if self.key in ("tag", "tags") else [has]
        equal = any(_equal(value, self) for value in values)
        return equal is (self.operator == "=")

    def __str__(self) -> str:
        return f"{self.key}{self.operator}{self.text}"


def parse_condition(text: str) -> Condition:
    """Read `KEY=VALUE`, `KEY!=VALUE`, or `KEY<NUMBER`, and likewise with `<=`, `>` and `>=`.

    Raises:
        UsageError: it is none of these.
    """
    match = _CONDITION.fullmatch(text)
    if not match or not match[1]:
        raise UsageError(f"condition '{text}': should be KEY=VALUE, KEY!=VALUE or KEY<NUMBER")
    condition = Condition(match[1], match[2].replace("==", "="), match[3])
    if condition.operator in _ORDERS and not _is_number(condition.value):
        raise UsageError(
            f"condition '{text}': '{condition.operator}' compares numbers, and '{condition.text}'"
            " is none"
        )
    return condition


def selected(runs: Sequence[ListedRun], conditions: Iterable[Condition]) -> list[ListedRun]:
    """Return the runs for which every condition holds.

    Raises:
        UsageError: a key is neither a column nor a setting of any of the runs.
    """
    kept = list(runs)
    for condition in conditions:
        condition = replace(condition, key=_known_key(condition.key, runs))
        kept = [run for run in kept if condition.holds(run)]
    return kept


def in_order(runs: Sequence[ListedRun], key: str) -> list[ListedRun]:
    """Return runs in the order of a column or a setting; `-KEY`: the other way round.

    Runs that lack it come last, either way; numbers come before text.

    Raises:
        UsageError: a key is neither a column nor a setting of any of the runs.
    """
    name = _known_key(key.removeprefix("-"), runs)
    values = [(column(run, name), run) for run in runs]
    present = [(value, run) for value, run in values if value not in (ABSENT, None, [])]
    present.sort(key=lambda pair: _rank(pair[0]), reverse=key.startswith("-"))
    return [run for _, run in present] + [
        run for value, run in values if value in (ABSENT, None, [])
    ]


def column(run: ListedRun, key: str) -> Any:
    """Return a column of a run, or else a value of its settings; `ABSENT`: it has neither."""
    key = _OTHER_NAMES.get(key, key)
    return run.row[key] if key in run.row else value_at(run.settings, key)


def _rank(value: Any) -> tuple[bool, Any]:
    return (False, value) if _is_number(value) else (True, _in_words(value))


def _known_key(key: str, runs: Sequence[ListedRun]) -> str:
    """Return a key as it is, or the only setting that it is the last part of: `lr`.

    Raises:
        UsageError: it is neither a column nor a setting of any of the runs, or several settings.
    """
    if not runs or any(column(run, key) is not ABSENT for run in runs):
        return key
    settings = dict.fromkeys(name for run in runs for name in flatten(run.settings))
    meant = [name for name in settings if name.endswith(f".{key}")]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise UsageError(f"key '{key}': could be {' or '.join(meant)}; write one of them")
    sections = {name.partition(".")[0] for name in settings}
    hint = suggest(key, {*COLUMNS, *_OTHER_NAMES, *settings, *sections})
    hint = hint if "did you mean" in hint else f"; columns are {', '.join(COLUMNS)}"
    raise UsageError(f"no run has the key '{key}'{hint}")


def _equal(value: Any, condition: Condition) -> bool:
    """Compare by value, as 1e-3 is 0.001; or as it is written, as an id is text."""
    if value is ABSENT:
        return False
    wanted = condition.value
    same_kind = isinstance(value, bool) == isinstance(wanted, bool)
    return (same_kind and bool(value == wanted)) or _in_words(value) == condition.text


def _in_words(value: Any) -> str:
    if value is None:
        return "null"
    return value if isinstance(value, str) else dump_flow(value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
