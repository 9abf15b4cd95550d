"""One run in full, and in what several differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.errors import SeqlabError
from seqlab.experiment.yaml12 import read_text
from seqlab.printable import cell, visible
from seqlab.runs.folder import RunFolder
from seqlab.runs.settings import differing, value_in_words


def details(folder: RunFolder) -> dict[str, Any]:
    """Return the experiment of a run, filled in, and its checkpoints."""
    from seqlab.training.checkpoint import steps_saved  # imports torch

    description = folder.description()
    try:
        experiment = visible(read_text(folder.resolved, record=True))
    except SeqlabError as error:
        experiment = str(error)
    told = ("started", "ended", "ended_because", "doubt", "device", "precision", "parameters")
    return {
        "experiment": experiment,
        "checkpoints": steps_saved(folder.checkpoints),
        "best": description.get("best", {}).get("step"),
        "about": {key: description.get(key) for key in told},
    }


def difference(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the settings in which runs differ: `key`, and the value of each; null: it has none."""
    return [
        {"key": cell(key), "values": [_shown(one, key) for one in settings]}
        for key in differing(settings)
    ]


def _shown(settings: Mapping[str, Any], key: str) -> str | None:
    return cell(value_in_words(settings[key])) if key in settings else None
