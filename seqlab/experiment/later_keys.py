"""Keys that came later: an experiment without them is the one that it was before they came.

Such a key is a field with `metadata=LATER`. Where it has its default, it is left out of
`resolved.yaml` and so of an experiment's hash: runs that were made before are still known to be of
the same experiment.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from seqlab.factories import Default

LATER = {"later": True}


def without_later_defaults(section: Any) -> dict[str, Any]:
    """Return the keys of a section (a dataclass), at any depth, that its hash is made of."""
    values = ((key, getattr(section, key.name)) for key in fields(section))
    return {key.name: _plain(value) for key, value in values if not _left_out(key, value)}


def _plain(value: Any) -> Any:
    nested = is_dataclass(value) and not isinstance(value, type)
    return without_later_defaults(value) if nested else value


def _left_out(key: Field[Any], value: Any) -> bool:
    if not LATER.items() <= key.metadata.items():
        return False
    default = key.default if key.default_factory is MISSING else key.default_factory()
    return bool((value.as_section() if isinstance(default, Default) else value) == default)
