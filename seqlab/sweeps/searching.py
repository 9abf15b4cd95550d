"""How a space is searched, in Optuna's terms: distributions, samplers, pruners."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seqlab.errors import UsageError
from seqlab.sweeps.optuna import optuna
from seqlab.sweeps.settings import Prune, Search
from seqlab.sweeps.space import Dimension, Numbers

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

_OF_CMAES = {
    ("cmaes._cma", "CMA"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
}
"""All that the state of the search `cmaes` consists of."""


def distribution_of(dimension: Dimension) -> BaseDistribution:
    """Return the distribution of a dimension; choices are their labels."""
    distributions = optuna().distributions
    values = dimension.values
    if not isinstance(values, Numbers):
        made: BaseDistribution = distributions.CategoricalDistribution(dimension.listed)
    elif values.whole:
        made = distributions.IntDistribution(
            int(values.low), int(values.high), log=values.log, step=int(values.step or 1)
        )
    else:
        made = distributions.FloatDistribution(
            values.low, values.high, log=values.log, step=values.step
        )
    return made


def sampler_of(search: Search, seed: int) -> BaseSampler:
    """Return what chooses the points of a trial; a grid's are known before.

    Raises:
        UsageError: a package is missing.
    """
    samplers = optuna().samplers
    made: BaseSampler
    if search == "tpe":
        made = samplers.TPESampler(seed=seed)
    elif search == "cmaes":
        made = _cmaes(seed)
    else:
        made = samplers.RandomSampler(seed=seed)
    return made


def pruner_of(prune: Prune) -> BasePruner:
    """Return what ends trials early; their rows are counted from 1."""
    pruners = optuna().pruners
    made: BasePruner
    if prune == "median":
        made = pruners.MedianPruner()
    elif prune == "hyperband":
        made = pruners.HyperbandPruner()
    else:
        made = pruners.NopPruner()
    return made


def _cmaes(seed: int) -> Any:
    try:
        import cmaes  # noqa: F401
    except ImportError:
        raise UsageError("search: cmaes needs a package: pip install 'seqlab[sweep]'") from None

    class SafeCmaEsSampler(optuna().samplers.CmaEsSampler):  # type: ignore[misc] # loaded late
        """Optuna keeps its state pickled in the study; of that, nothing else is loaded."""

        def _restore_optimizer(self, completed_trials: Sequence[Any]) -> Any:
            for trial in reversed(completed_trials):
                key = self._attr_key_optimizer
                parts = {k: v for k, v in trial.system_attrs.items() if k.startswith(key)}
                if parts:
                    data = bytes.fromhex(self._concat_optimizer_attrs(parts))
                    return _OnlyCmaes(io.BytesIO(data)).load()
            return None

    return SafeCmaEsSampler(seed=seed, warn_independent_sampling=False)


class _OnlyCmaes(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _OF_CMAES:
            raise pickle.UnpicklingError(f"the state of a search holds {module}.{name}")
        return super().find_class(module, name)
