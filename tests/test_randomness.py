"""Random numbers are functions of a seed and of what they are for."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqlab.randomness import derive, reseed, scramble, uniforms

CPU = torch.device("cpu")
purposes = st.lists(st.integers() | st.text(max_size=5), max_size=3)


def grid(rows, steps):
    return np.meshgrid(np.arange(rows), np.arange(steps), indexing="ij")


@given(st.integers(0, 2**63 - 1), purposes)
def test_a_derived_number_fits_every_generator(seed, purpose):
    assert 0 <= derive(seed, *purpose) < 2**63


def test_a_derived_number_is_the_same_on_every_machine():
    assert derive(0, "step", 7) == 5712503053122524263


def test_a_derived_number_does_not_depend_on_the_hash_seed():
    code = "from seqlab.randomness import derive; print(derive(1, 'weights', 2))"
    environment = os.environ | {"PYTHONHASHSEED": "123"}
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment)
    assert int(printed) == derive(1, "weights", 2)


def test_every_argument_and_its_place_count():
    arguments = [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, "1"), (0, 0, 0), (0, "a", "b"), (0, "ab")]
    assert len({derive(*purpose) for purpose in arguments}) == len(arguments)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_numpys_integers_are_integers(kind):
    assert derive(kind(3), "epoch", kind(4)) == derive(3, "epoch", 4)


def test_scrambling_loses_nothing():
    values = np.arange(100_000, dtype=np.uint64)
    assert len(np.unique(scramble(values))) == 100_000


def test_neighbours_differ_in_half_of_their_bits_after_scrambling():
    values = scramble(np.arange(10_000, dtype=np.uint64))
    flipped = np.bitwise_count(values[1:] ^ values[:-1]).mean()
    assert 31.5 < flipped < 32.5


def test_uniforms_lie_between_0_and_1_and_are_spread_evenly():
    numbers = uniforms(0, *grid(200, 200))
    assert 0 <= numbers.min() <= numbers.max() < 1
    counts, _ = np.histogram(numbers, 10, (0, 1))
    assert abs(counts - 4_000).max() < 300


def test_uniforms_differ_by_row_by_step_and_by_seed():
    numbers = np.concatenate([uniforms(seed, *grid(50, 50)) for seed in (0, 1)])
    assert len(np.unique(numbers)) == 2 * 50 * 50


def test_neighbouring_uniforms_are_not_alike():
    numbers = uniforms(0, *grid(300, 300))
    for first, second in ((numbers[1:], numbers[:-1]), (numbers[:, 1:], numbers[:, :-1])):
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02


def test_a_uniform_is_a_function_of_its_row_and_step_alone():
    numbers = uniforms(5, *grid(9, 9))
    assert uniforms(5, np.array([3]), np.array([7]))[0] == numbers[3, 7]


def test_a_generator_that_is_seeded_again_draws_the_same():
    reseed(7, CPU)
    first = torch.rand(3)
    torch.rand(100)
    reseed(7, CPU)
    assert torch.rand(3).equal(first)


@given(st.integers(0, 2**63 - 1))
def test_every_derived_number_may_seed_a_generator(seed):
    reseed(seed, CPU)
    assert torch.initial_seed() == seed
