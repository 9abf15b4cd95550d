"""Sums in one fixed order, whoever adds."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.distributed.tree import TreeSum, tree_sum
from seqlab.distributed.wishes import SIGNALS, Wishes
from seqlab.distributed.world import Alone, shards_of

numbers = st.floats(-(2.0**99), 2.0**99, width=32)


@st.composite
def leaves_and_worlds(draw):
    height = draw(st.integers(0, 5))
    leaves = draw(st.lists(numbers, min_size=2**height, max_size=2**height))
    return leaves, 2 ** draw(st.integers(0, height))


@given(leaves_and_worlds())
def test_processes_with_a_subtree_each_have_the_sum_of_one(drawn):
    leaves, size = drawn
    own = [
        tree_sum([leaves[s] for s in shards_of(Alone(rank, size), len(leaves))], operator.add)
        for rank in range(size)
    ]
    assert tree_sum(own, operator.add) == tree_sum(leaves, operator.add)


def test_the_order_is_that_of_a_tournament():
    words = tree_sum(list("abcdefgh"), lambda left, right: f"({left}{right})")
    assert words == "(((ab)(cd))((ef)(gh)))"


def test_no_more_than_one_sum_of_each_height_waits():
    tree = TreeSum(operator.add)
    for leaf in range(15):
        tree.append(leaf)
        assert len(tree._waiting) == (leaf + 1).bit_count()


@pytest.mark.parametrize("count", [0, 3, 6])
def test_leaves_that_are_no_power_of_two_have_no_total(count):
    tree = TreeSum(operator.add)
    for leaf in range(count):
        tree.append(leaf)
    with pytest.raises(ValueError, match="unpack"):
        tree.total  # noqa: B018 # it raises


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([None, *SIGNALS]))))
def test_all_hear_what_any_of_them_wishes(drawn):
    wishes = [Wishes(*each) for each in drawn] or [Wishes()]
    heard = Wishes.of([sum(column) for column in zip(*(w.numbers for w in wishes), strict=True)])
    assert heard.stop == any(w.stop for w in wishes)
    assert heard.pause == any(w.pause for w in wishes)
    assert (heard.signal is None) == all(w.signal is None for w in wishes)
