"""What compiled loops are made of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

loops = pytest.importorskip("seqlab.loops", reason="Numba is an extra: seqlab[fast]")
NAN, INF = np.nan, np.inf


def found_by(function, values):
    return np.array([function(value) for value in values], dtype=np.float64)


def test_tanh_and_the_sigmoid_are_within_four_in_ten_million():
    values = np.linspace(-20, 20, 20_001).astype(np.float32)
    exact = values.astype(np.float64)
    assert np.abs(found_by(loops.tanh, values) - np.tanh(exact)).max() < 4e-7
    assert np.abs(found_by(loops.sigmoid, values) - 1 / (1 + np.exp(-exact))).max() < 4e-7


def test_the_exponential_is_within_two_in_ten_million():
    values = np.linspace(-86.9, 0, 20_001).astype(np.float32)
    found, exact = found_by(loops.exp, values), np.exp(values.astype(np.float64))
    assert np.abs(found - exact).max() < 2e-7
    assert np.abs(found / exact - 1).max() < 1e-5
    assert loops.exp(np.float32(-88)) == loops.exp(np.float32(-INF)) == 0
    assert np.isnan(loops.exp(np.float32(NAN)))


@pytest.mark.parametrize(
    "values",
    [
        [0.0],
        [-0.0, -1.0],
        [3, 5, 4],
        [-3, -5, -4],
        [-INF, -1e38],
        [1, INF],
        [-INF],
        [1e-44, -1e-44],
    ],
)
def test_the_largest_of_integers_is_that_of_floats(values):
    array = np.array(values, dtype=np.float32)
    assert loops.largest(array) == array.max()


LOOP = """
from seqlab.loops import by_numba
from {other} import inner

@by_numba
def outer(x):
    return 2 * inner(x)

if __name__ == "__main__":
    print(outer(1), sum(outer.stats.cache_hits.values()))
"""
INNER = """
from seqlab.loops import by_numba

@by_numba
def inner(x):
    return x + {number}
"""


def test_a_loop_is_compiled_anew_if_one_that_it_calls_has_changed(tmp_path: Path):
    (tmp_path / "outer_loop.py").write_text(LOOP.format(other="inner_loop"))
    said = []
    for number in (1, 1, 20):
        (tmp_path / "inner_loop.py").write_text(INNER.format(number=number))
        command = [sys.executable, "outer_loop.py"]
        said.append(subprocess.check_output(command, cwd=tmp_path, text=True).split())
    assert said == [["4", "0"], ["4", "1"], ["42", "0"]]
