"""Where caches are."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """Return the cache folder: $SEQLAB_CACHE, or that of the system."""
    named = os.environ.get("SEQLAB_CACHE")
    return Path(named) if named else user_cache_path("seqlab")
