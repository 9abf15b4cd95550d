from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import seqlab
from seqlab.training.checkpoint import checkpoint_path, steps_saved


@pytest.fixture
def killed() -> Callable[..., Path]:
    """Copy a run as a kill leaves it: rows written, but no checkpoint after step `at`."""

    def killed(run: seqlab.Run, at: int) -> Path:
        copy = Path(shutil.copytree(run.path, "killed"))
        for step in steps_saved(copy / "checkpoints"):
            if step > at:
                shutil.rmtree(checkpoint_path(copy / "checkpoints", step))
        description = json.loads((copy / "run.json").read_text("utf-8"))
        (copy / "run.json").write_text(json.dumps(description | {"status": "running"}), "utf-8")
        return copy

    return killed


@pytest.fixture
def damage() -> Callable[[Path, int], None]:
    """Flip one bit of the weights that a run saved at a step."""

    def damage(run: Path, step: int) -> None:
        file = checkpoint_path(run / "checkpoints", step) / "model.safetensors"
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

    return damage
