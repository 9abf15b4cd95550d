"""Numbers and texts that come from Python are checked once, where they come in."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import seqlab
from seqlab.errors import UsageError

NO_NUMBERS = [math.inf, math.nan, None, b"3", "3", 1.5, np.float64(3), True, [3]]


@pytest.fixture
def run(trained_once, registry):
    return seqlab.open_run(trained_once, registry=registry)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize("name", ["length", "num", "seed"])
def test_what_is_no_whole_number_is_refused(run, name, value):
    with pytest.raises(UsageError, match=f"{name} should be a whole number"):
        run.generate("the", **{name: value})


@pytest.mark.parametrize("value", [-1, 10**5000, -(10**400)], ids=["-1", "huge", "low"])
@pytest.mark.parametrize("name", ["length", "num", "seed"])
def test_what_is_out_of_bounds_is_refused_in_few_words(run, name, value):
    with pytest.raises(UsageError, match=f"{name} should be at") as caught:
        run.generate("the", **{name: value})
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("three", [3, np.int64(3), np.uint8(3), torch.tensor(3)], ids=repr)
def test_whole_numbers_of_other_libraries_are_numbers(run, three):
    assert run.generate("the", length=three) == run.generate("the", length=3)
    assert "".join(run.stream("the", length=three)) == run.generate("the", length=3)[0].continuation


@pytest.mark.parametrize("prefix", [b"the", None, 3, ["the", b"the"], [None], {"the": 1}], ids=repr)
def test_a_prefix_that_is_no_text_is_refused(run, prefix):
    with pytest.raises(UsageError, match="prefix should be"):
        run.generate(prefix)


@pytest.mark.parametrize("name", ["rows", "batch_size", "window"])
@pytest.mark.parametrize("value", [0, math.nan, b"3", 2**40], ids=repr)
def test_evaluation_takes_whole_numbers_within_bounds(run, name, value):
    with pytest.raises(UsageError, match=f"{name} should be"):
        run.evaluate("train", **{name: value})


@pytest.mark.parametrize("name", ["run_dir", "root"])
@pytest.mark.parametrize("value", ["", b"", 3, "a\0b"], ids=repr)
def test_a_path_that_is_none_is_refused(tiny, registry, name, value):
    with pytest.raises(seqlab.SeqlabError):
        seqlab.run(tiny, registry=registry, **{name: value})
