"""The code in the documentation runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import seqlab

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "plugins/README.md")
BLOCKS = [
    (page, block)
    for page in PAGES
    for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
]


@pytest.mark.parametrize(
    ("page", "block"), BLOCKS, ids=[f"{p}-{i}" for i, (p, _) in enumerate(BLOCKS)]
)
def test_every_block_of_python_loads_as_a_plugin_or_runs(page, block, experiments_here):
    if "hookimpl" not in block:
        exec(compile(block, page, "exec"), {"__name__": "block"})  # noqa: S102 # our own documentation
        return
    Path("plugins").mkdir()
    Path("plugins/block.py").write_text(block, "utf-8")
    (plugin,) = [p for p in seqlab.load_plugins().plugins if p.name == "block"]
    assert plugin.problems == ()
    assert plugin.components


@pytest.fixture
def experiments_here() -> None:
    """The shipped experiments, shortened, where a reader would have them."""
    Path("experiments").mkdir()
    for path in (ROOT / "experiments").glob("*.yaml"):
        text = path.read_text("utf-8").replace("epochs: 250", "epochs: 1")
        Path("experiments", path.name).write_text(text, "utf-8")


def test_the_cell_of_the_documentation_trains(tiny):
    cell = next(block for page, block in BLOCKS if page == "plugins/README.md" and '"mgu"' in block)
    Path("plugins").mkdir()
    Path("plugins/mgu.py").write_text(cell, "utf-8")
    tiny |= {"cell": {"name": "mgu", "hidden_size": 16}, "train": {"epochs": 3}}
    losses = [row["loss"] for row in seqlab.run(tiny).metrics]
    assert losses == sorted(losses, reverse=True)


def test_the_documented_cell_is_the_one_that_is_shipped():
    shipped = (ROOT / "plugins" / "minimal_gated_unit.py").read_text("utf-8")
    body = shipped[shipped.index("class ") :]
    assert any(body in block for _, block in BLOCKS)


def test_the_new_cell_has_fifteen_lines_below_its_imports_the_hook_aside():
    shipped = (ROOT / "plugins" / "minimal_gated_unit.py").read_text("utf-8")
    cell = shipped[shipped.index("class ") : shipped.index("@seqlab.hookimpl")]
    assert len([line for line in cell.splitlines() if line.strip()]) <= 15
