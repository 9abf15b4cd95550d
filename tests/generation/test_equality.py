"""One text, however it is come by: batched or alone, streamed or whole, with company that ends."""

from __future__ import annotations

import pytest

PREFIXES = ["分开", "不分开", "a", "hgfedcba", "分开", "开分", "a"]
NUMBERS = range(3)


def close(actual, expected):
    return actual == pytest.approx(expected, abs=1e-9)


def test_prefixes_of_any_lengths_go_on_together_as_each_does_alone(continued):
    together = continued(PREFIXES, seed=3)
    seen: dict[str, int] = {}
    for prefix, result in zip(PREFIXES, together, strict=True):
        alone = continued([prefix] * (seen.get(prefix, 0) + 1), seed=3)[-1]
        seen[prefix] = seen.get(prefix, 0) + 1
        assert (result.text, result.ids) == (alone.text, alone.ids)
        assert close(result.log_probabilities, alone.log_probabilities)


def test_log_probabilities_in_single_precision_are_those_of_each_alone(any_model, continued):
    for parameter in any_model.float().parameters():
        parameter.data /= 3  # a recurrence that blows nothing up
    for prefix, result in zip(PREFIXES[:4], continued(PREFIXES[:4]), strict=True):
        (alone,) = continued([prefix])
        assert result.log_probabilities == pytest.approx(alone.log_probabilities, abs=1e-5)


def test_rows_that_stop_early_change_nothing_for_the_others(continued):
    stop_id = continued(["分开"], 30)[0].ids[3]
    together = continued(PREFIXES, 30, stop=["c", "开"], stop_tokens=[stop_id])
    assert len({len(result.ids) for result in together}) > 1
    for prefix, result in zip(PREFIXES[:4], together, strict=False):
        (alone,) = continued([prefix], 30, stop=["c", "开"], stop_tokens=[stop_id])
        assert (result.ids, result.ended) == (alone.ids, alone.ended)


@pytest.mark.parametrize("stop", [[], ["c", "开"], ["分开"], ["\ufffd"]])
def test_what_is_streamed_is_the_whole(continued, streamed, stop):
    for prefix in PREFIXES[:4]:
        (whole,) = continued([prefix], 30, stop=stop)
        assert "".join(streamed(prefix, 30, stop=stop)) == whole.continuation


def test_several_of_a_prefix_can_each_be_streamed(continued, streamed):
    several = continued(["分开"], num=3, seed=5)
    assert ["".join(streamed("分开", repeat=n, seed=5)) for n in NUMBERS] == [
        result.continuation for result in several
    ]


def test_several_are_a_prefix_that_comes_so_often_unless_the_decoder_searches(
    continued, any_decoder
):
    several = continued(["分开", "a"], num=2)
    if hasattr(any_decoder, "choose"):
        assert several == continued(["分开", "分开", "a", "a"])
    else:
        assert several[0].score > several[1].score
        assert several[0].ids == continued(["分开"])[0].ids
