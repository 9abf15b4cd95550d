"""Several runs at once, for Python: a list of them, and a comparison."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from seqlab.arguments import named_path
from seqlab.plots.axes import Axes
from seqlab.plots.html import table
from seqlab.plots.series import panels
from seqlab.runs.comparison import compare as compared
from seqlab.runs.comparison import distinct, series, warnings
from seqlab.runs.folder import ROOT
from seqlab.runs.intact import intact_runs
from seqlab.runs.listing import list_runs
from seqlab.runs.loaded_run import Run
from seqlab.runs.lookup import all_runs, find_runs
from seqlab.runs.results import SPREAD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

Which: TypeAlias = str | Path | Iterable[str | Path]
_SHOWN = ("run", "id", "status", "step", "total_steps", "best", "metric", "split", "tags", "doubt")
_NOT_SHOWN = ("name", "folders", "best")


class Runs(list[Run]):
    """A list of runs, which a notebook shows as a table."""

    def plot(
        self,
        metric: str | Sequence[str] = (),
        x: str = "step",
        *,
        log: str = "",
        smooth: int = 1,
    ) -> Figure:
        """Draw metrics of all of them; runs that differ in the seed only are one line in a band.

        Arguments and errors are those of `Run.plot`.
        """
        from seqlab.plots.figure import draw

        return draw(panels(series(self), metric, Axes(x, log, smooth)))

    def _repr_html_(self) -> str:
        rows = [run.row for run in list_runs(run.folder for run in self)]
        return table([{name: row[name] for name in _SHOWN if row[name]} for row in rows])


class Comparison(list[dict[str, Any]]):
    """The rows of a comparison, which a notebook shows as a table; `pandas.DataFrame` takes it."""

    def _repr_html_(self) -> str:
        spread = {f"{name}: {word}" for row in self for name in row for word in SPREAD}
        names = dict.fromkeys(name for row in self for name in row)
        shown = [name for name in names if name not in spread and name not in _NOT_SHOWN]
        rows = [{"": name, **{row["name"]: _shown(row, name) for row in self}} for name in shown]
        best = [(i, row["name"]) for i, name in enumerate(shown) for row in self
                if name in row["best"]]  # fmt: skip
        return table(rows, best)


def _shown(row: Mapping[str, Any], name: str) -> Any:
    """A value; a median of seeds with the standard deviation beside it."""
    sd = row.get(f"{name}: sd")
    return row.get(name) if sd is None else f"{row[name]:.6g} ± {sd:.2g}"


def runs(pattern: Which | None = None, root: str | Path = ROOT) -> Runs:
    """Return runs, the oldest first: what `seqlab runs` lists.

    Args:
        pattern: a name, tag, id, folder or glob of these, or several; None: all under `root`.
        root: the folder of all runs.

    Raises:
        UsageError: a pattern fits nothing.
    """
    under = named_path(root, "root")
    if pattern is None:
        return Runs(intact_runs(all_runs(under)))
    patterns = [pattern] if isinstance(pattern, str | Path) else list(pattern)
    return Runs(intact_runs(find_runs(patterns, under)))


def compare(runs: Which | Run | Iterable[Run], root: str | Path = ROOT) -> Comparison:
    """Compare settings and results of runs: what `seqlab compare` does.

    Args:
        runs: those that were opened, or whatever `seqlab.runs` takes; they may be mixed.
        root: the folder of all runs.

    Returns:
        A row for each group of runs that differ in the seed only: its `name`, the settings in
        which it differs, best and last of each metric (of several seeds the median, with `NAME:
        min` and so on beside it), and in `best` the names in which it is better than the others.

    Raises:
        UsageError: a name fits no run.
    """
    several = [runs] if isinstance(runs, str | Path | Run) else list(runs)
    opened = [run for item in several for run in _opened(item, root)]
    kept, left_out = distinct(opened)
    for notice in (*left_out, *warnings(kept)):
        log.warning(notice)
    return Comparison(compared(kept))


def _opened(item: str | Path | Run, root: str | Path) -> list[Run]:
    return [item] if isinstance(item, Run) else runs(item, root)
