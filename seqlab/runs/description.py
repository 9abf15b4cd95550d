"""What `run.json` says of a run: with what it was made, so that it can be made again."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import seqlab
from seqlab.data.preparing import Prepared, vocabulary_hash
from seqlab.registry import Registry, Resolved
from seqlab.registry.plugins import Plugin

FORMAT = 1


def describe_run(
    resolved: Resolved,
    registry: Registry,
    prepared: Prepared,
    *,
    device: torch.device,
    parameters: int,
    total_steps: int,
    overrides: tuple[str, ...],
) -> dict[str, Any]:
    """Return the content of `run.json` at the start of a run.

    Nothing of the environment's variables is in it: they may hold secrets.
    """
    return {
        "format": FORMAT,
        "name": resolved.name,
        "status": "running",
        "started": now(),
        "ended": None,
        "step": 0,
        "total_steps": total_steps,
        "overrides": list(overrides),
        "seed": resolved.train.seed,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "parameters": parameters,
        "corpus": {
            "name": prepared.corpus.component.name,
            "asked_for": resolved.corpus.component.name,
            "fingerprint": prepared.fingerprint,
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
        },
        "plugins": [_describe_plugin(plugin) for plugin in used_plugins(resolved, registry)],
        "git": _git_state(),
    }


def now() -> str:
    """The time in UTC, to the second, as ISO 8601 has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def used_plugins(resolved: Resolved, registry: Registry) -> list[Plugin]:
    """The plugins that an experiment uses something of."""
    names = {component.plugin for component in resolved.components()}
    return [plugin for plugin in registry.plugins if plugin.name in names]


def _describe_plugin(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution or None,
        "version": plugin.version or None,
        "source_sha256": plugin.source_hash(),
    }


def _git_state() -> dict[str, Any] | None:
    """The commit of the working folder and whether it was clean; None where there is no git."""
    folders = (Path.cwd(), *Path.cwd().parents)
    if not any((folder / ".git").exists() for folder in folders):
        return None
    try:
        commit = _git("rev-parse", "HEAD").strip()
        return {"commit": commit, "clean": not _git("status", "--porcelain").strip()}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout
