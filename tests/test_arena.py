"""The arena: its experiments have the sizes that they say, and every cell may join its tables."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

import seqlab
from seqlab.experiment import Experiment
from seqlab.model.language_model import LanguageModel
from seqlab.registry import Registry, resolve
from seqlab.sweeps.reading import read_sweep
from seqlab.sweeps.space import grid

ROOT = Path(__file__).resolve().parents[1]
ARENA = ROOT / "experiments" / "arena"
SIZES = {"100k": 100_000, "arena": 1_000_000, "10M": 10_000_000}
CHARACTERS = 65  # of Tiny Shakespeare
FILES = sorted(path for folder in (ARENA, ARENA / "100k", ARENA / "10M")
               for path in folder.glob("*.yaml"))  # fmt: skip
TABLES = [path for path in FILES if "space:" in path.read_text("utf-8")]
BLOCKS = [path for path in FILES if path not in TABLES]
EQUAL = [path for path in TABLES if path.stem.startswith(("tiny_shakespeare", "lengths"))]


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def parameters(experiment: Experiment, registry: Registry) -> int:
    """Of the model of an experiment on the characters of Tiny Shakespeare, which is not read."""
    resolved = resolve(experiment, registry)
    with torch.device("meta"):
        model = LanguageModel(
            CHARACTERS,
            resolved.model,
            embedding=resolved.embedding.build,
            cell=resolved.cell.build,
            head=resolved.head.build,
            objective=resolved.objective.build,
        )
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("path", BLOCKS, ids=named)
def test_a_block_has_as_many_parameters_as_its_folder_says(path, registry):
    count = parameters(seqlab.read_experiment(path), registry)
    assert count == pytest.approx(SIZES[path.parent.name], rel=0.03)


def test_every_block_is_there_in_every_size():
    names = {size: {path.name for path in BLOCKS if path.parent.name == size} for size in SIZES}
    assert names["100k"] == names["arena"] == names["10M"]


@pytest.mark.parametrize("path", EQUAL, ids=named)
def test_cells_that_are_compared_at_equal_parameters_have_them(path, registry):
    sweep = read_sweep(path, registry)
    for point in grid(sweep.dimensions):
        count = parameters(sweep.experiment_at(point), registry)
        assert count == pytest.approx(1_000_000, rel=0.03), point


def cell_key(path: Path) -> str:
    """Where in the space of a table the cells are listed."""
    (key,) = [key for key in yaml.safe_load(path.read_text("utf-8"))["space"]
              if "=" not in key and key.partition(".")[0] == "cell"]  # fmt: skip
    return key


@pytest.fixture(scope="module")
def with_a_strangers_cell() -> Registry:
    return seqlab.load_plugins(files=[ROOT / "plugins" / "minimal_gated_unit.py"], local=False)


@pytest.mark.parametrize("path", TABLES, ids=named)
def test_a_strangers_cell_joins_every_table_by_one_option(path, with_a_strangers_cell):
    joined = read_sweep(path, with_a_strangers_cell, [f"space.{cell_key(path)}=[mgu]"])
    for point in grid(joined.dimensions):
        experiment = joined.experiment_at(point)
        resolve(experiment, with_a_strangers_cell)
        assert "mgu" in str(experiment.tree.at(["cell"]))
