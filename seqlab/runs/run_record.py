"""What a run folder says of a run, without its model: settings, rows, and pictures of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqlab.errors import SeqlabError
from seqlab.plots.axes import Axes
from seqlab.plots.html import failure, report
from seqlab.plots.series import Group, panels
from seqlab.runs.folder import RunFolder
from seqlab.runs.settings import flatten, resolved_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOLD = ("status", "started", "ended", "ended_because", "doubt", "seed", "device", "parameters")


class RunRecord:
    """The files of a run folder, each read when it is asked for."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @property
    def description(self) -> dict[str, Any]:
        """The content of `run.json`."""
        return self.folder.description()

    @property
    def config(self) -> dict[str, Any]:
        """The experiment with everything filled in, as nested mappings: `resolved.yaml`.

        A copy, so that changing it changes nothing; `seqlab.run` takes it as an experiment.
        """
        return resolved_settings(self.folder)

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`."""
        return self.folder.metrics_rows()

    @property
    def history(self) -> Any:
        """The rows of `metrics.jsonl`: a pandas DataFrame if pandas is installed, else a list.

        `metrics` is the list in either case.
        """
        if find_spec("pandas") is None:
            return self.metrics
        import pandas

        return pandas.DataFrame(self.metrics)

    @property
    def samples(self) -> list[dict[str, Any]]:
        """The rows of `samples.jsonl`."""
        return self.folder.sample_rows()

    def plot(
        self,
        metric: str | Sequence[str] = (),
        x: str = "step",
        *,
        log: str = "",
        smooth: int = 1,
    ) -> Figure:
        """Draw metrics of training and of the evaluated split, which a notebook shows.

        Args:
            metric: one, several, or `all`; empty: the perplexity, or else the loss.
            x: `step`, `epoch`, `tokens` or `time`.
            log: the axes that are logarithmic: `x`, `y` or `xy`.
            smooth: the number of rows of which each point is the mean.

        Raises:
            UsageError: an argument is not possible, there are no rows yet, or matplotlib is not
                installed (it is in the extra `plot`).
        """
        from seqlab.plots.figure import draw

        group = Group(str(self.description["name"]), (self.metrics,))
        return draw(panels([group], metric, Axes(x, log, smooth)))

    def _repr_html_(self) -> str:
        """A table of what this run is, and its curve."""
        try:
            return report(f"Run {self.path}", self._told(), [Group("", (self.metrics,))])
        except SeqlabError as error:
            return failure(str(error))

    def _told(self) -> dict[str, Any]:
        description = self.description
        told = {"name": description["name"], **self._components()}
        told["step"] = f"{description['step']} of {description['total_steps']}"
        return told | {key: description[key] for key in _TOLD if description.get(key) is not None}

    def _components(self) -> dict[str, Any]:
        """The names of the parts that people ask for first."""
        flat = flatten(self.config)
        kinds = ("corpus", "tokenizer", "sampler", "cell", "optimizer")
        return {kind: flat[f"{kind}.name"] for kind in kinds if f"{kind}.name" in flat}
