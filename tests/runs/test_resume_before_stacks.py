"""Runs of the code before cells could be stacked in YAML go on as they would have then.

Each was killed in the middle of its third epoch: two layers with a residual connection, a norm,
dropout and averaged weights. What the code of then made of them stands beside the folders.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import seqlab

FIXTURES = Path(__file__).parents[1] / "fixtures" / "runs_before_stacks"


@pytest.mark.parametrize("name", ["one_hot", "learned"])
def test_a_run_with_layers_norm_and_residual_goes_on_as_before(name):
    shutil.copytree(FIXTURES / name, "run")
    expected = json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))
    after = [row for row in seqlab.resume("run").metrics if row["step"] > 50]
    assert [(row["step"], row["split"]) for row in after] == [
        (row["step"], row["split"]) for row in expected
    ]
    # To the bit on one machine; another one has another order of additions.
    losses = [row["loss"] for row in expected]
    assert [row["loss"] for row in after] == pytest.approx(losses, rel=1e-5)
