"""Sums in, numbers of a row out."""

from __future__ import annotations

import math

import pytest
import torch

from seqlab import Terms, Window
from seqlab.training.metrics import Sums, TokenSizes
from seqlab.training.objective import Columns

HALVES = [b"a", "分".encode(), "分".encode()[:1], "分".encode()[1:], b""]


class Bytes:
    """A tokenizer some of whose tokens are parts of a character."""

    size = len(HALVES)

    def token_bytes(self, token):
        return HALVES[token]


@pytest.fixture
def sizes():
    return TokenSizes.of(Bytes(), torch.device("cpu"))


def counted(targets, weights=None):
    """Targets of one row, and their weights."""
    return torch.tensor([targets]), None if weights is None else torch.tensor([weights])


def row(sums, accuracy=False):
    return sums.metrics(Columns(), seconds=2.0, accuracy=accuracy)


def summed(nats, targets, weights, sizes, right=None):
    window = Window(targets, targets, weights, 1.0)
    return Sums.of(Terms(nats.sum(), nats, (), right), window, sizes)


def test_a_character_in_two_tokens_counts_once(sizes):
    assert sizes.table.tolist() == [[1, 1, 1, 0, 0], [1, 3, 1, 2, 0], [0] * 5]
    assert sizes.count(torch.tensor([[2, 3]]), None).tolist() == [1, 3, 0]


def test_bits_come_from_the_true_characters_and_bytes(sizes):
    metrics = row(summed(torch.tensor([[1.0, 2.0, 3.0]]), *counted([0, 2, 3]), sizes))
    assert metrics["bits_per_character"] == pytest.approx(6 / math.log(2) / 2)
    assert metrics["bits_per_byte"] == pytest.approx(6 / math.log(2) / 4)


class ReadsAsUnknown(Bytes):
    def token_bytes(self, token):
        return "\ufffd".encode() if token == 1 else HALVES[token]


class SaysUnknown(Bytes):
    unknown_token = 1


@pytest.mark.parametrize("tokenizer", [ReadsAsUnknown(), SaysUnknown()])
def test_there_are_no_bits_where_a_token_stands_for_unknown_text(tokenizer):
    sizes, nats = TokenSizes.of(tokenizer, torch.device("cpu")), torch.tensor([[1.0, 2.0]])
    metrics = row(summed(nats, *counted([0, 1]), sizes) + summed(nats, *counted([0, 0]), sizes))
    assert metrics["bits_per_byte"] is None
    assert (metrics["bits_per_character"], metrics["unknown"]) == (None, 0.25)
    masked = row(summed(nats, *counted([0, 1], [1.0, 0.0]), sizes))
    assert masked["bits_per_byte"] == pytest.approx(1 / math.log(2))
    assert masked["unknown"] == 0.0


def test_a_text_that_has_the_stand_in_itself_has_bits_if_the_tokenizer_says_so():
    class Legitimate(ReadsAsUnknown):
        unknown_token = None

    sizes = TokenSizes.of(Legitimate(), torch.device("cpu"))
    metrics = row(summed(torch.tensor([[1.0]]), *counted([1]), sizes))
    assert (metrics["bits_per_byte"], metrics["unknown"]) == (
        pytest.approx(1 / math.log(2) / 3),
        0.0,
    )


def test_ids_without_text_have_no_bits():
    class Numbers(Bytes):
        has_text = False

    sizes = TokenSizes.of(Numbers(), torch.device("cpu"))
    metrics = row(summed(torch.tensor([[1.0]]), *counted([0]), sizes))
    assert (metrics["bits_per_character"], metrics["bits_per_byte"], metrics["unknown"]) == (
        None,
        None,
        0,
    )


def test_unknown_targets_count_by_their_weights():
    sizes = TokenSizes.of(SaysUnknown(), torch.device("cpu"))
    metrics = row(summed(torch.ones(1, 3), *counted([0, 1, 1], [1.0, 0.5, 0.0]), sizes))
    assert metrics["unknown"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(("size", "unknown"), [(10.0, 0.0), (math.nan, None)])
def test_sums_of_older_checkpoints_are_read(size, unknown):
    metrics = row(Sums.saved([3.0, 4.0, 5.0, size, 0.0]))
    assert (metrics["bits_per_character"] is None) == (unknown is None)
    assert (metrics["loss"], metrics["unknown"]) == (0.75, unknown)


def test_the_loss_is_the_weighted_mean_over_all_batches_and_not_a_mean_of_means(sizes):
    first = summed(torch.tensor([[1.0, 2.0]]), *counted([0, 0]), sizes)
    second = summed(torch.tensor([[7.0]]), *counted([0]), sizes)
    assert row(first + second)["loss"] == pytest.approx(10 / 3)


def test_what_weighs_nothing_counts_nowhere(sizes):
    weighted = counted([0, 1, 0], [1.0, 0.0, 0.5])
    metrics = row(summed(torch.tensor([[1.0, 99.0, 4.0]]), *weighted, sizes))
    assert (metrics["loss"], metrics["tokens"]) == (2.0, 1.5)
    assert metrics["bits_per_byte"] == pytest.approx(3 / math.log(2) / 2)


def test_accuracy_is_the_share_of_the_weight_that_was_right(sizes):
    right = torch.tensor([[True, True, False]])
    sums = summed(torch.ones(1, 3), *counted([0, 1, 0], [1.0, 0.0, 3.0]), sizes, right)
    assert row(sums, accuracy=True)["accuracy"] == 0.25
    assert row(sums)["accuracy"] is None


def test_a_perplexity_too_large_for_a_float_is_none(sizes):
    assert row(summed(torch.tensor([[1e3]]), *counted([0]), sizes))["perplexity"] is None


def test_tokens_without_bytes_have_no_bits(sizes):
    metrics = row(summed(torch.ones(1, 1), *counted([4]), sizes))
    assert (metrics["bits_per_character"], metrics["bits_per_byte"]) == (None, None)


def test_a_million_small_losses_lose_nothing_in_double_precision(sizes):
    sums = Sums.zero()
    for _ in range(1_000):
        sums += summed(torch.full((1, 1_000), 0.1), *counted([0] * 1_000), sizes)
    assert row(sums)["loss"] == pytest.approx(float(torch.tensor(0.1)), rel=1e-12)


def test_speed_is_tokens_by_seconds(sizes):
    assert row(summed(torch.ones(1, 3), *counted([0, 0, 0]), sizes))["tokens_per_second"] == 1.5
