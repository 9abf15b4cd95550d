"""The arena: its experiments have the sizes that they say, and its tables are what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import seqlab
from seqlab.model.language_model import LanguageModel
from seqlab.registry import resolve

ARENA = Path(__file__).resolve().parents[1] / "experiments" / "arena"
SIZES = {"100k": 100_000, "arena": 1_000_000, "10M": 10_000_000}
CHARACTERS = 65  # of Tiny Shakespeare
BLOCKS = sorted(
    path for folder in (ARENA, ARENA / "100k", ARENA / "10M") for path in folder.glob("*.yaml")
    if "space:" not in path.read_text("utf-8")
)  # fmt: skip


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", BLOCKS, ids=named)
def test_a_block_has_as_many_parameters_as_its_folder_says(path, registry):
    resolved = resolve(seqlab.read_experiment(path), registry)
    with torch.device("meta"):
        model = LanguageModel(
            CHARACTERS,
            resolved.model,
            embedding=resolved.embedding.build,
            cell=resolved.cell.build,
            head=resolved.head.build,
            objective=resolved.objective.build,
        )
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == pytest.approx(SIZES[path.parent.name], rel=0.03)


def test_every_block_is_there_in_every_size():
    names = {size: {path.name for path in BLOCKS if path.parent.name == size} for size in SIZES}
    assert names["100k"] == names["arena"] == names["10M"]
