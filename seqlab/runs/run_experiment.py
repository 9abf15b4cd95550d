"""The experiment of a run, bound to the plugins of now."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from seqlab.experiment import read_experiment
from seqlab.registry import Registry, Resolved, load_plugins
from seqlab.runs.folder import RunFolder
from seqlab.runs.plugins_used import resolve_again, warn_of_changed_plugins
from seqlab.runs.run_record import RunRecord


class RunExperiment(RunRecord):
    """A run folder, and the components that its experiment names."""

    def __init__(self, folder: RunFolder, registry: Registry | None = None) -> None:
        super().__init__(folder)
        self._registry = registry

    @cached_property
    def resolved(self) -> Resolved:
        """The experiment with all defaults filled in, its names bound to plugins."""
        resolved = self._resolve()
        warn_of_changed_plugins(self._plugins, self.folder)
        return resolved

    @cached_property
    def _plugins(self) -> Registry:
        return self._registry if self._registry is not None else load_plugins()

    def _resolve(self, overrides: Sequence[str] = ()) -> Resolved:
        overrides = ["observers=[]", *overrides]  # observers are not needed after training
        experiment = read_experiment(self.folder.resolved, overrides, record=True)
        return resolve_again(experiment, self._plugins, self.folder)
