"""A shuffle that needs no array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab import Permutation


@pytest.mark.parametrize("size", range(1, 201))
def test_every_number_comes_once(size):
    assert sorted(Permutation(size, 0)(np.arange(size))) == list(range(size))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5_000), st.integers(0, 2**63 - 1), st.integers(0, 1_000))
def test_every_number_comes_once_whatever_the_size_seed_and_epoch(size, seed, epoch):
    assert sorted(Permutation(size, seed, epoch)(np.arange(size))) == list(range(size))


@pytest.mark.parametrize("size", [2**20 + 1, 2**40 - 3, 2**62])
def test_numbers_of_a_large_size_stay_in_range_and_differ(size):
    numbers = Permutation(size, 0)(np.arange(20_000) * (size // 20_000))
    assert 0 <= numbers.min() <= numbers.max() < size
    assert len(np.unique(numbers)) == 20_000


def test_a_part_can_be_read_alone():
    whole = Permutation(1_000, 3)(np.arange(1_000))
    assert Permutation(1_000, 3)(np.array([[7, 999], [0, 7]])).tolist() == [
        [whole[7], whole[999]],
        [whole[0], whole[7]],
    ]


@pytest.mark.parametrize("indices", [np.array(3), np.empty(0, np.int64), np.zeros((2, 0), int)])
def test_indices_may_have_any_shape(indices):
    assert Permutation(5, 0)(indices).shape == indices.shape


def test_every_seed_and_epoch_has_its_own_order():
    places = np.arange(100)
    orders = {tuple(Permutation(100, *s)(places)) for s in [(0,), (1,), (0, 0), (0, 1), (1, 0)]}
    assert len(orders) == 5


def test_the_order_is_the_same_on_every_machine_and_in_every_version():
    assert Permutation(10, 0, 0)(np.arange(10)).tolist() == [6, 3, 9, 5, 2, 1, 0, 8, 4, 7]


def test_numbers_seldom_stand_where_they_stood():
    size, epochs = 100, 200
    places = np.arange(size)
    stayed = sum((Permutation(size, 0, e)(places) == places).sum() for e in range(epochs))
    assert 0.5 < stayed / epochs < 1.5


@pytest.mark.parametrize("size", [3, 10, 100])
def test_every_number_is_equally_likely_to_come_first(size):
    rounds = 40 * size
    first = [int(Permutation(size, 0, e)(np.array([0]))[0]) for e in range(rounds)]
    counts = np.bincount(first, minlength=size)
    assert ((counts - 40) ** 2 / 40).sum() < size + 5 * (2 * size) ** 0.5
