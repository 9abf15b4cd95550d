"""The names of `seqlab.offline` in API 1."""
# ruff: noqa: F401

import warnings

from seqlab.offline import OFFLINE, offline, why_offline

warnings.warn("seqlab.network is now seqlab.offline", category=DeprecationWarning, stacklevel=2)
