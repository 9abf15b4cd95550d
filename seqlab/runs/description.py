"""The content of `run.json`: everything that is needed to repeat a run."""

from __future__ import annotations

import hashlib
import math
import os
import platform
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

import seqlab
from seqlab.data.preparation import vocabulary_hash
from seqlab.distributed.launched import launched
from seqlab.experiment.yaml12 import dump_flow, dump_yaml
from seqlab.registry import Registry, Resolved
from seqlab.registry.plugins import Plugin
from seqlab.runs.building import Parts
from seqlab.runs.command_words import plugin_options
from seqlab.runs.file_schemas import FORMAT
from seqlab.runs.launches import description_of_launch

COMPUTING = ("torch", "seqlab", "numpy", "numba")  # packages that may change the last bits


def describe_run(
    resolved: Resolved,
    registry: Registry,
    parts: Parts,
    *,
    overrides: tuple[str, ...],
    git: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of `run.json` at the start of a run.

    `git` is what is known of the repository. There are no environment variables, as these may
    hold secrets.
    """
    prepared = parts.prepared
    return {
        "format": FORMAT,
        "id": secrets.token_hex(8),
        "name": resolved.name,
        "status": "running",
        "started": now(),
        "ended": None,
        "step": 0,
        "total_steps": parts.total_steps,
        "experiment_sha256": experiment_hash(resolved),
        "overrides": list(overrides),
        "seed": resolved.train.seed,
        "device": str(parts.training.device),
        "precision": str(parts.training.precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in parts.model.parameters()),
        "corpus": {
            "name": prepared.corpus.component.name,
            "asked_for": resolved.corpus.component.name,
            "stand_in": prepared.corpus is not resolved.corpus,
            "fingerprint": prepared.source.fingerprint,
            "tokens": len(prepared.tokens),
        },
        "vocabulary": {
            "size": prepared.tokenizer.size,
            "sha256": vocabulary_hash(prepared.tokenizer),
        },
        "versions": {
            "seqlab": seqlab.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": version("numpy"),
            "numba": _numba_version(),
        },
        "plugin_options": plugin_options(registry.choice),
        "plugins": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution or None,
                "version": plugin.version or None,
                "source_sha256": plugin.source_hash(),
            }
            for plugin in used_plugins(resolved, registry)
        ],
        "git": git,
        "settings": as_json_value(used_settings(resolved, parts)),
        **({"init_from": parts.begun} if parts.begun else {}),
        **description_of_launch(launched()),
    }


def used_settings(resolved: Resolved, parts: Parts) -> dict[str, Any]:
    """Return the resolved experiment, with the corpus that was really used."""
    sections = resolved.as_experiment()
    used = parts.prepared.corpus
    if used is not resolved.corpus:
        core = {k: v for k, v in sections["corpus"].items() if k not in resolved.corpus.options}
        sections["corpus"] = core | used.as_section() | {"if_unavailable": None}
    return sections


def as_json_value(value: Any) -> Any:
    """A plain value, with numbers that JSON lacks as YAML writes them."""
    if isinstance(value, dict):
        return {key: as_json_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json_value(item) for item in value]
    return dump_flow(value) if isinstance(value, float) and not math.isfinite(value) else value


def environment(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a description that must be equal for a run to repeat to the bit."""
    versions = {key: description["versions"].get(key) for key in COMPUTING}
    settings = {key: description[key] for key in ("device", "threads", "precision")}
    plugins = {
        f"plugin {p['name']}": f"{p['version'] or 'file'} {(p['source_sha256'] or '')[:12]}".strip()
        for p in description["plugins"]
    }
    return {**versions, **settings, **plugins}


def _numba_version() -> str | None:
    """Return the version of Numba; None: it is not installed, or switched off."""
    try:
        return version("numba") if os.environ.get("NUMBA_DISABLE_JIT", "0") == "0" else None
    except PackageNotFoundError:
        return None


def experiment_hash(resolved: Resolved) -> str:
    """Return the SHA-256 of an experiment with all defaults filled in.

    `train.threads` is left out: several processes fill in what their machine has.
    """
    experiment = resolved.as_experiment()
    experiment["train"].pop("threads", None)
    return hashlib.sha256(dump_yaml(experiment).encode()).hexdigest()


def now() -> str:
    """Return the time in UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def used_plugins(resolved: Resolved, registry: Registry) -> list[Plugin]:
    """Return the plugins whose components an experiment uses."""
    names = {component.plugin for component in resolved.components()}
    return [plugin for plugin in registry.plugins if plugin.name in names]
