"""Texts to stop at, and text that comes in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.errors import UsageError
from seqlab.generation.stops import StopText, TextStream, limits

few = st.text(alphabet="ab分", min_size=1, max_size=4)


class Bytes:
    """A token for each byte."""

    size = 256
    end_of_document = None

    def token_bytes(self, token):
        return bytes([token])


def ended_at(texts, data) -> int | None:
    """After how many tokens a stop is seen, one byte a token."""
    stop = StopText(Bytes(), texts)
    return next((end for end in range(1, len(data) + 1) if stop(list(data[:end]))), None)


@given(texts=st.lists(few, min_size=1, max_size=3), text=st.text(alphabet="ab分", max_size=12))
def test_a_stop_is_seen_with_the_token_that_completes_the_first_one(texts, text):
    data = text.encode()
    ends = [index + len(t.encode()) for t in texts if (index := data.find(t.encode())) >= 0]
    assert ended_at(texts, data) == min(ends, default=None)


@given(
    texts=st.lists(few, max_size=3),
    tokens=st.lists(st.binary(min_size=1, max_size=3), min_size=1, max_size=8),
)
def test_pieces_joined_are_the_whole_and_nothing_is_taken_back(texts, tokens):
    stop = StopText(Bytes(), texts)
    text, shown, seen = TextStream(stop), "", b""
    for number, token in enumerate(tokens):
        seen += token
        if stop.cut(seen) != seen or number == len(tokens) - 1:
            shown += text.end(token)
            break
        shown += text.add(token)
        assert not any(part in shown for part in texts)
    assert shown == stop.cut(seen).decode("utf-8", "replace")


def test_half_a_character_is_not_shown():
    text = TextStream(StopText(Bytes(), []))
    assert [text.add(bytes([byte])) for byte in "分".encode()] == ["", "", "分"]


def test_the_beginning_of_a_stop_text_is_held_back_until_it_is_none():
    text = TextStream(StopText(Bytes(), ["end"]))
    assert [text.add(b"a"), text.add(b"e"), text.add(b"n"), text.add(b"e")] == ["a", "", "", "en"]
    assert text.end(b"nd") == ""


def test_a_stop_text_may_lie_within_a_token():
    stop = StopText(Bytes(), ["b"])
    assert stop.cut(b"abc") == b"a"
    assert TextStream(stop).end(b"abc") == "a"


@pytest.mark.parametrize(
    ("length", "stop", "tokens", "shown"),
    [
        (0, [], [], "length should be at least 1; it is 0"),
        (1, [""], [], "a text to stop at is empty"),
        (1, ["a\udcff"], [], r"a text to stop at is not UTF-8: .a.udcff"),
        (1, "end", [], "a list of texts, not the text 'end'"),
        (1, [], [256], "stop token 256 does not exist; ids are 0 … 255"),
        (1, [], [-1], "stop token -1 does not exist"),
    ],
)
def test_limits_that_cannot_be_are_refused(length, stop, tokens, shown):
    with pytest.raises(UsageError, match=shown):
        limits(Bytes(), length, stop, tokens)
