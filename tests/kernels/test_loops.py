"""What compiled loops are made of."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import seqlab

if said := seqlab.why_not_compiled():
    pytest.skip(said, allow_module_level=True)

from seqlab.kernels import loops

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
from seqlab.kernels.loops import by_numba
from {other} import inner

@by_numba
def outer(x):
    return 2 * inner(x)

if __name__ == "__main__":
    print(outer(1), sum(outer.stats.cache_hits.values()))
"""
INNER = """
from seqlab.kernels.loops import by_numba

@by_numba
def inner(x):
    return x + {number}
"""


@pytest.mark.parametrize(
    "inner", [pytest.param("inner_loop", marks=pytest.mark.slow), "beside.deeper"]
)
def test_a_loop_is_compiled_anew_if_one_that_it_calls_has_changed(tmp_path: Path, inner):
    (tmp_path / "outer_loop.py").write_text(LOOP.format(other=inner))
    (tmp_path / "beside").mkdir()
    said = []
    for number in (1, 1, 20):
        (tmp_path / f"{inner.replace('.', '/')}.py").write_text(INNER.format(number=number))
        command = [sys.executable, "outer_loop.py"]
        said.append(subprocess.check_output(command, cwd=tmp_path, text=True).split())
    assert said == [["4", "0"], ["4", "1"], ["42", "0"]]


@loops.by_numba
def count(by, counts, numbers, first, last):
    """Add a number to the rows, and to each a half of another array's."""
    for i in range(first, last):
        for j in range(counts.shape[1]):
            counts[i, j] += by + numbers[i] / 2


@pytest.fixture(params=[1, 2, 3, 8], ids="{} threads".format)
def threads(request):
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(1)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 7, 33])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_every_row_is_taken_once(rows, dtype, threads):
    counts, numbers = torch.zeros(rows, 2, dtype=dtype), 2 * torch.arange(rows)
    seqlab.on_all_cores(count, rows, 5, counts, numbers)
    assert counts.tolist() == [[5 + row] * 2 for row in range(rows)]


def test_a_part_of_a_matrix_is_refused_since_a_copy_would_be_written():
    with pytest.raises(ValueError, match="argument 1 of a loop should be contiguous"):
        seqlab.on_all_cores(count, 4, 1, torch.zeros(4, 4)[:, :2], torch.zeros(4))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (0.9, "should be a tensor or an int; it is 0.9"),
        (True, "should be a tensor or an int; it is True"),
        (torch.zeros(4, 2).half(), "it is torch.float16, (4, 2), on cpu"),
        (torch.zeros(4, 2, device="meta"), "it is torch.float32, (4, 2), on meta"),
        (torch.tensor(1.0), "it is torch.float32, (), on cpu"),
    ],
)
@pytest.mark.usefixtures("threads")
def test_what_a_loop_would_misread_is_refused_on_any_number_of_cores(wrong, said):
    with pytest.raises(TypeError, match=f"argument 1 of a loop .*{re.escape(said)}"):
        seqlab.on_all_cores(count, 4, 1, wrong, torch.zeros(4))


def writing(value):
    @loops.by_numba
    def write(numbers, first, last):
        for i in range(first, last):
            numbers[i] = value

    return write


@pytest.mark.usefixtures("threads")
def test_loops_of_one_name_are_told_apart():
    numbers = torch.zeros(9)
    for value in (1, 2, 1):
        seqlab.on_all_cores(writing(value), 9, numbers)
        assert numbers.tolist() == [value] * 9


COMPARED = """
import hashlib, torch
from seqlab.kernels import linear_loss
torch.manual_seed(0)
weight, bias = torch.randn(1027, 256) / 20, torch.randn(1027) / 100
hidden, targets = torch.randn(1120, 256), torch.randint(1027, (1120,))
tensors = [t.requires_grad_() for t in (hidden, weight, bias)]
loss, nats = linear_loss(*tensors, targets, 1 / 1120)
for tensor in (nats, *torch.autograd.grad(loss, tensors)):
    print(hashlib.sha256(tensor.numpy().tobytes()).hexdigest())
"""


def test_code_from_the_cache_has_the_bits_of_code_just_compiled(tmp_path, monkeypatch):
    """Else a run that compiled its loops could not be gone on with to the bit."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    command = [sys.executable, "-c", COMPARED]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)
    )
    assert first.count("\n") == 4
    assert first == second
