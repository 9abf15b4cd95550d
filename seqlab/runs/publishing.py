"""A run -> its parts without what training needs, and without what is this machine's alone."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import seqlab
from seqlab.atomic import write_synced
from seqlab.contracts import TrainedRun
from seqlab.experiment.yaml12 import dump_yaml
from seqlab.files import entries, read
from seqlab.registry import Bound, Resolved
from seqlab.registry.option_tree import leaves
from seqlab.runs.description import as_json_value
from seqlab.runs.folder import RunFolder
from seqlab.training.checkpoint import Checkpoint, save_checkpoint

if TYPE_CHECKING:
    from seqlab.model.language_model import LanguageModel
    from seqlab.runs.loaded_run import Run

KEPT = (
    *("format", "id", "name", "status", "started", "ended", "total_steps", "experiment_sha256"),
    *("seed", "device", "precision", "threads", "parameters", "corpus", "vocabulary", "versions"),
    *("plugins", "ended_because", "doubt"),
)
"""Of `run.json`; the rest may name folders, hosts and what else was open on a machine."""
STATE = ("tokenizer", "counts")  # of a checkpoint: what its model needs beside the weights
MAX_PLUGIN = 16 << 20  # bytes


def trained_run(run: Run) -> TrainedRun:
    """Return the parts of an opened run that may be published.

    Raises:
        CheckpointError: the run is damaged, or has no such checkpoint.
        ExperimentError: its experiment is not valid here.
    """
    checkpoint, settings = run.checkpoint, portable_settings(run.resolved)
    description = portable_description(run.description, settings, checkpoint.step)
    rows = [row for row in run.metrics if row["step"] <= checkpoint.step]

    def save(folder: Path) -> None:
        new = RunFolder(folder)
        new.describe(description)
        write_synced(new.resolved, dump_yaml(settings).encode())
        for row in rows:
            new.append(new.metrics, row)
        state = {key: checkpoint.state[key] for key in STATE if key in checkpoint.state}
        save_checkpoint(new.checkpoints, Checkpoint(checkpoint.step, checkpoint.weights, state))
        _copy_plugins(run.folder.plugins, new.plugins)

    return TrainedRun(
        name=str(description["name"]),
        step=checkpoint.step,
        model=_on_the_cpu(run.model),
        tokenizer=run.tokenizer,
        experiment=settings,
        description=description,
        results={row["split"]: row for row in rows},
        save=save,
    )


def _on_the_cpu(model: LanguageModel) -> LanguageModel:
    return model if model.device.type == "cpu" else copy.deepcopy(model).to("cpu")


def portable_description(
    description: Mapping[str, Any], settings: Mapping[str, Any], step: int
) -> dict[str, Any]:
    """Return the content of a `run.json` for a folder that holds one checkpoint of the run."""
    kept: dict[str, Any] = {key: description[key] for key in KEPT if key in description}
    if (best := description.get("best")) and best["step"] == step:
        kept["best"] = best
    if git := description.get("git"):
        kept["git"] = {"commit": git["commit"], "clean": git["clean"]}
    own = {"overrides": [], "step": step, "settings": as_json_value(settings)}
    return kept | own | {"exported": {"seqlab": seqlab.__version__}}


def portable_settings(resolved: Resolved) -> dict[str, Any]:
    """Return an experiment in which every absolute path has become the end of it."""
    settings = resolved.as_experiment()
    named = {str(path) for path in _paths(resolved)}
    texts = {text for text in leaves(settings) if isinstance(text, str)}
    absolute = [text for text in texts if os.path.isabs(text) and _is_path(text, named)]  # noqa: PTH117 # a text
    replaced: dict[str, Any] = _replaced(settings, short_ends(absolute))
    return replaced


def _paths(resolved: Resolved) -> Iterator[Path]:
    """Every path that an option, at any depth, or a key of the core has."""
    values = [value for key, value in vars(resolved).items() if key != "written"]
    everything = list(leaves(values))
    for bound in [leaf for leaf in everything if isinstance(leaf, Bound)]:
        for part in bound.everything():
            everything += leaves([part.options, part.part_keys])
    yield from (leaf for leaf in everything if isinstance(leaf, Path))


def _is_path(text: str, named: set[str]) -> bool:
    try:
        return text in named or Path(text).exists()
    except (OSError, ValueError):  # too long for a path, or with a NUL
        return False


def short_ends(paths: Iterable[str]) -> dict[str, str]:
    """Return the ends of paths, no longer than it takes to tell them apart."""
    parts = {path: Path(path).parts[1:] or ("root",) for path in paths}
    length = 1
    while len({part[-length:] for part in parts.values()}) < len({*parts.values()}):
        length += 1
    return {path: "/".join(part[-length:]) for path, part in parts.items()}


def _replaced(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def _copy_plugins(source: Path, target: Path) -> None:
    """Copy the dropped-in plugins that a run keeps."""
    files = [path for path in entries(source) if path.suffix == ".py"]
    if files:
        target.mkdir()
    for path in files:
        write_synced(target / path.name, read(path, MAX_PLUGIN))
