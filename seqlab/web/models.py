"""Runs whose models are in memory, for the playground."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from seqlab.errors import UsageError
from seqlab.runs.folder import RunFolder

if TYPE_CHECKING:
    from seqlab.registry import Bound, Registry
    from seqlab.runs.loaded_run import Run


class Models:
    """At most `most` runs with their models; the one that was not used for longest is let go.

    Args:
        most: models in memory.
        load: loads the plugins, when the first model is asked for.
    """

    def __init__(self, most: int, load: Callable[[], Registry]) -> None:
        self._most, self._load = most, load
        self._kept: OrderedDict[str, tuple[int, Run]] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def registry(self) -> Registry:
        return self._load()

    @property
    def kept(self) -> list[tuple[int, Run]]:
        """The runs in memory with the step of each, the one to go first."""
        return list(self._kept.values())

    def describe(self, folder: RunFolder) -> Run:
        """Return a run without its model."""
        from seqlab.runs.loaded_run import open_run

        return open_run(folder.path, registry=self.registry)

    def open(self, run: str, folder: RunFolder, checkpoint: str) -> Run:
        """Return a run with its model; of each run one checkpoint is kept.

        Raises:
            SeqlabError: it is damaged, or a plugin that it needs is not there.
        """
        from seqlab.runs.loaded_run import open_run

        with self._lock:
            step = _step(folder, checkpoint)
            kept = self._kept.pop(run, None)
            if kept is None or kept[0] != step:
                self._let_go(self._most - 1)
                opened = open_run(folder.path, checkpoint=step, registry=self.registry)
                check_files(opened.resolved.decoder)
                opened.model  # noqa: B018 # it is loaded when it is first asked for
                kept = (step, opened)
            self._kept[run] = kept
            return kept[1]

    def _let_go(self, most: int) -> None:
        while len(self._kept) > most:
            self._kept.popitem(last=False)


def _step(folder: RunFolder, checkpoint: str) -> int:
    """The step of a checkpoint: `latest`, `best` or a number."""
    from seqlab.training.checkpoint import steps_saved

    steps = steps_saved(folder.checkpoints)
    best = folder.description().get("best", {}).get("step")
    known = {str(step): step for step in steps} | {"best": best}
    known["latest"] = steps[-1] if steps else None
    step = known.get(checkpoint)
    if step not in steps:
        raise UsageError(f"the run has no checkpoint '{checkpoint}'")
    return int(step)


def check_files(decoder: Bound) -> None:
    """Raise UsageError if a decoder names a file: a page opens none."""
    for part in decoder.everything():
        options = part.component.signature.options
        for name, value in part.options.items():
            if name in options and options[name].names_files and _is_given(value):
                raise UsageError(
                    f"{part.component.label}: {name} names a file, and the page opens none but"
                    " those of runs"
                )


def _is_given(value: Any) -> bool:
    return value not in (None, [], {}, "")
