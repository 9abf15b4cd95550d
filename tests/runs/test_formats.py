"""Runs of every format so far, made by the seqlab of their day and never touched since.

`seqlab run frozen.yaml --run-dir run` made each; then the path of the corpus in `resolved.yaml` was
written as `../text.txt`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import seqlab

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
every_format = pytest.mark.parametrize("name", ["format1"])


@pytest.fixture
def frozen(name, registry):
    """A copy of the frozen run, beside a copy of its corpus."""
    shutil.copytree(FIXTURES / name, name)
    return seqlab.open_run(Path(name, "run"), registry=registry)


@every_format
def test_a_frozen_run_says_what_it_said(frozen):
    assert (frozen.description["status"], frozen.description["step"]) == ("finished", 30)
    assert frozen.metrics[-1]["loss"] == pytest.approx(LOSS)
    assert frozen.samples[-1]["prefix"] == "the"


@every_format
def test_a_frozen_run_is_scored_as_it_was(frozen):
    assert frozen.evaluate("valid")["loss"] == pytest.approx(LOSS, rel=1e-5)
    assert frozen.evaluate("test")["tokens"] == 111


@every_format
def test_a_frozen_run_speaks(frozen):
    assert frozen.generate("the", length=9)[0].text.startswith("the")


@every_format
def test_a_frozen_run_goes_on(frozen, registry):
    longer = seqlab.resume(frozen.path, overrides=["train.steps=60"], registry=registry)
    assert longer.description["step"] == 60
    assert longer.metrics[-1]["loss"] < LOSS
    assert [row["step"] for row in longer.metrics][:9] == [5, 10, 10, 15, 20, 20, 25, 30, 30]


LOSS = 3.04363143551457
