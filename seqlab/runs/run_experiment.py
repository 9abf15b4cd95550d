"""The experiment of a run, bound to the plugins of now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from seqlab.experiment import read_experiment
from seqlab.experiment.located import Located, Origin, locate
from seqlab.experiment.merging import merge
from seqlab.factories import EvaluationMethodFactory
from seqlab.registry import Registry, Resolved, load_plugins
from seqlab.remedies import Argument
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

    def resolved_with_corpus(self, corpus: str | Mapping[str, Any]) -> Resolved:
        """Return the experiment with another corpus.

        Raises:
            ExperimentError: that is not valid; it is called by its argument.
        """
        origin = Origin(str(Argument("corpus")), folder=Path.cwd(), is_override=True)
        return self._resolve(corpus=locate(corpus, origin, "corpus"))

    def methods_named(self, written: str) -> Sequence[EvaluationMethodFactory]:
        """Return a method of evaluation, as an experiment would name it.

        Raises:
            ExperimentError: there is none, or it does not have or accept an option.
        """
        resolved = self._resolve([f"evaluation.methods=[{written}]"])
        return resolved.evaluation.methods if resolved.evaluation else []

    def _resolve(self, overrides: Sequence[str] = (), *, corpus: Located | None = None) -> Resolved:
        overrides = ["observers=[]", *overrides]  # observers are not needed after training
        experiment = read_experiment(self.folder.resolved, overrides, record=True)
        if corpus is not None:
            over = Located({"corpus": corpus}, corpus.origin)
            experiment = replace(experiment, tree=merge(experiment.tree, over))
        return resolve_again(experiment, self._plugins, self.folder)
