"""One function chooses, from device, dtype and shapes; one switch turns all of it off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import seqlab
from seqlab.kernels import Backend, Operation, choose, use_kernels


def twice(values, *others):
    """Return values (N, K), twice."""
    return 2 * values


def fast(values, *others):
    return values + values


def operation(*backends, shapes=("N K", "K 2M"), work="N K", **options):
    return Operation(twice, shapes=shapes, work=work, backends=lambda: backends, **options)


SMALL, LARGE = torch.zeros(2, 3), torch.zeros(20, 30)


def test_a_backend_is_taken_from_the_work_on_that_it_pays_at():
    doubled = operation(Backend("own", fast, least_work=600))
    assert choose(doubled, [SMALL]) is twice
    assert choose(doubled, [LARGE]) is fast
    assert doubled(LARGE + 1).eq(2).all()


@pytest.mark.parametrize(
    "arguments",
    [
        (LARGE.double(),),
        (LARGE[0],),
        (LARGE, torch.zeros(29, 4)),
        (LARGE, torch.zeros(30, 3)),
        (LARGE, torch.zeros(30, 4, dtype=torch.float64)),
        (LARGE, torch.zeros(30, 4, device="meta")),
    ],
    ids=["dtype", "dimensions", "sizes", "a factor", "two dtypes", "two devices"],
)
def test_what_a_backend_would_misread_goes_to_the_reference(arguments):
    assert choose(operation(Backend("own", fast)), arguments) is twice
    assert choose(operation(Backend("own", fast)), (LARGE, torch.zeros(30, 4))) is fast


def test_the_first_backend_that_can_is_taken():
    absent = Backend("first", twice, available=lambda: False)
    elsewhere = Backend("second", twice, device="cuda")
    doubled = operation(absent, elsewhere, Backend("third", fast, device=None, dtypes=()))
    assert choose(doubled, [SMALL]) is fast


def test_rows_for_every_thread_may_be_asked_for():
    doubled = operation(Backend("own", fast, least_rows=2), shapes=("B K",), work="B K")
    assert choose(doubled, [torch.zeros(2 * torch.get_num_threads(), 3)]) is fast
    assert choose(doubled, [torch.zeros(2 * torch.get_num_threads() - 1, 3)]) is twice


def test_whole_numbers_may_be_sizes():
    doubled = operation(Backend("own", fast, least_work=5), work="N", shapes=("B K",), counts="N")
    assert choose(doubled, [SMALL, 5]) is fast
    assert choose(doubled, [SMALL, 4]) is twice


def test_the_switch_takes_one_backend_whether_it_pays_or_not_or_none():
    doubled = operation(Backend("slow", twice), Backend("own", fast, least_work=10**9))
    with use_kernels("own"):
        assert choose(doubled, [SMALL]) is fast
        with use_kernels("reference"):
            assert choose(doubled, [LARGE]) is twice
        assert choose(doubled, [SMALL]) is fast
    with use_kernels("nobody's"):
        assert choose(doubled, [SMALL]) is twice


def test_backends_are_asked_for_when_the_operation_is_first_called():
    asked = []
    doubled = Operation(twice, shapes=("N K",), work="N K", backends=lambda: asked.append(1) or [])
    with use_kernels("reference"):
        doubled(SMALL)
    assert not asked
    doubled(SMALL)
    doubled(SMALL)
    assert asked == [1]


def test_an_operation_has_the_words_of_its_reference():
    assert operation().__doc__ == "Return values (N, K), twice."


ASKS = """
import torch
from seqlab.kernels import Backend, Operation
plain, fast = (lambda x: "plain"), (lambda x: "fast")
own = Operation(plain, shapes=("N",), work="N", backends=lambda: [Backend("x", fast)])
print(own(torch.ones(3)))
"""


@pytest.mark.parametrize(
    ("said", "found"), [("", "fast"), ("auto", "fast"), ("reference", "plain")]
)
def test_the_environment_switches_too(said, found):
    env = os.environ | {"SEQLAB_KERNELS": said}
    command = [sys.executable, "-c", ASKS]
    assert subprocess.check_output(command, env=env, text=True).strip() == found


def test_a_misspelt_switch_is_refused_in_one_line(tiny):
    Path("e.yaml").write_text(json.dumps(tiny))
    env = os.environ | {"SEQLAB_KERNELS": "refrence"}
    command = [sys.executable, "-m", "seqlab", "run", "e.yaml"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    _, complaint = done.stderr.splitlines()  # the first line says what runs
    assert complaint == "seqlab: SEQLAB_KERNELS is 'refrence'; it should be auto or reference"
    assert not Path("runs").exists()


def test_a_run_learns_the_same_by_the_reference(tiny):
    tiny |= {"cell": {"name": "gru", "hidden_size": 16}, "train": {"epochs": 3}}

    def losses(name):
        with use_kernels(name):
            return [row["loss"] for row in seqlab.run(tiny).metrics]

    plain = losses("reference")
    for name in ("auto", "numba"):
        assert losses(name) == pytest.approx(plain, rel=1e-4)
