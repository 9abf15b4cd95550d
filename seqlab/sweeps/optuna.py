"""The one door to Optuna, which is in the extra `sweep` and imported when a study is opened."""

from __future__ import annotations

import warnings
from types import ModuleType

from seqlab.errors import UsageError


def optuna() -> ModuleType:
    """Return the module, which then logs nothing of its own.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise UsageError("a sweep needs Optuna: pip install 'seqlab[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    module: ModuleType = optuna
    return module
