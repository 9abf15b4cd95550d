"""The names of `seqlab.runs.comparison` in API 1."""
# ruff: noqa: F401

import warnings

from seqlab.runs.comparison import compare, distinct
from seqlab.runs.comparison import model_difference as other_model

warnings.warn(
    "seqlab.runs.comparing is now seqlab.runs.comparison", category=DeprecationWarning, stacklevel=2
)
