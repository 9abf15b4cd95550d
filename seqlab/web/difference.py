"""The settings of one run, or those in which several differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.printable import cell
from seqlab.runs.settings import differing, value_in_words


def difference(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `key` of each setting, and its `values` in the runs; null: a run has none."""
    keys = differing(settings) if len(settings) > 1 else [*settings[0]]
    return [{"key": cell(key), "values": [_shown(one, key) for one in settings]} for key in keys]


def _shown(settings: Mapping[str, Any], key: str) -> str | None:
    return cell(value_in_words(settings[key])) if key in settings else None
