"""Words as published tables count them: cut at white space, `<eos>` for each line."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest
from seqlab_plugins.tokenizers.words import Words

import seqlab
from seqlab.data.tokens import decode

TABLE = " no it was n't <unk> \n \n = a title = \n"


def fitted(*documents, **options):
    tokenizer = Words(boundaries="whitespace", **options)
    tokenizer.fit(documents)
    return tokenizer


def tokens(tokenizer, text):
    return [tokenizer.token_bytes(token).decode() for token in tokenizer.encode(text).tolist()]


def reference(text):
    """The words of PyTorch's example: those of each line, and <eos> behind them."""
    return [word for line in text.splitlines() for word in [*line.split(), "<eos>"]]


def test_they_are_those_of_the_published_tables():
    tokenizer = fitted(TABLE, end_of_line="<eos>")
    found = ["<eos>" if word == "\n" else word.strip() for word in tokens(tokenizer, TABLE)]
    assert found == reference(TABLE)
    assert tokenizer.size == len(set(reference(TABLE)))


def test_an_unknown_word_of_a_table_is_a_word_like_others():
    tokenizer = fitted(TABLE, end_of_line="<eos>")
    assert " <unk>" in tokens(tokenizer, TABLE)
    assert tokenizer.unknown_token is None


def test_joined_each_word_has_one_space_before_it_and_each_line_its_feed():
    tokenizer = fitted(TABLE, end_of_line="<eos>")
    joined = decode(tokenizer, tokenizer.encode(TABLE))
    assert joined == " no it was n't <unk>\n\n = a title =\n"
    assert decode(tokenizer, tokenizer.encode(joined)) == joined
    assert (
        tokenizer.encode(joined).tolist()
        == tokenizer.encode("no  it\twas n't <unk>\n\n= a title =\n").tolist()
    )


def test_without_a_word_for_it_a_line_feed_is_a_space():
    assert tokens(fitted("a b\nc"), "a\nb c") == [" a", " b", " c"]


def test_the_word_itself_in_a_text_is_the_same_token():
    tokenizer = fitted("a <eos> b\n", end_of_line="<eos>")
    assert tokenizer.encode("a <eos> b\n").tolist()[1::2] == [tokenizer.encode("\n")[0]] * 2


def test_there_is_a_token_for_line_feeds_even_if_no_text_has_one():
    tokenizer = fitted("a b", end_of_line="<eos>")
    assert tokens(tokenizer, "b\na") == [" b", "\n", " a"]


@pytest.mark.parametrize("boundaries", ["whitespace", "unicode"])
def test_the_most_frequent_are_kept_and_of_equals_the_first(boundaries):
    tokenizer = Words(boundaries=boundaries, most_frequent=2, unknown="token")
    tokenizer.fit(["c b b c a a d"] if boundaries == "whitespace" else ["c,b,b,c,a,a,,,"])
    known = [tokenizer.token_bytes(token).decode().strip() for token in range(tokenizer.size - 1)]
    assert known == (["c", "b"] if boundaries == "whitespace" else ["c", ","])
    assert tokenizer.encode("d").tolist() == [tokenizer.unknown_token]


def test_the_token_of_line_feeds_is_kept_besides():
    tokenizer = fitted("a a b\nc\n", most_frequent=1, unknown="token", end_of_line="<eos>")
    assert tokenizer.size == 3
    assert tokens(tokenizer, "a b\n") == [" a", "\ufffd", "\n"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"most_frequent": 5}, "most_frequent makes words unknown; add `unknown: token`"),
        ({"end_of_line": "<eos>"}, "end_of_line is for `boundaries: whitespace`"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Words(**options)


def test_a_word_that_is_missing_is_named_with_its_place():
    with pytest.raises(ValueError, match="word 'z' number 3 is not in the vocabulary of 2 words"):
        fitted("a b").encode("a b z")


def test_that_white_space_is_lost_is_said_once(caplog):
    caplog.set_level(logging.INFO, "seqlab.words")
    tokenizer = fitted("a  b", "c")
    tokenizer.encode("a b")
    assert [record.message for record in caplog.records] == [
        "Words are cut at white space: which white space it was is lost."
    ]


def test_a_run_has_perplexities_per_word_and_bits_of_the_text_as_joined(tiny):
    Path("valid.txt").write_text("the lazy fox jumps \n \n over the dog, \n" * 9)
    Path("train.txt").write_text("the quick brown fox jumps over the lazy dog, \n \n" * 40)
    run = seqlab.run(
        {
            **tiny,
            "corpus": {"name": "text", "path": "train.txt", "valid": "valid.txt"},
            "tokenizer": {"name": "words", "boundaries": "whitespace", "end_of_line": "<eos>"},
            "evaluation": {"rows": 1},
        }
    )
    row = run.metrics[-1]
    text = " the lazy fox jumps\n\n over the dog,\n" * 9
    assert row["split"] == "valid"
    assert row["tokens"] == 9 * 10 - 1  # the first of all is no target
    assert row["perplexity"] == pytest.approx(math.exp(row["loss"]))
    bits = row["loss"] * row["tokens"] / math.log(2)
    assert row["bits_per_character"] == pytest.approx(bits / (len(text) - len(" the")))
    (one,) = run.generate("the quick", length=4, overrides=["decoder=greedy"])
    assert one.text.startswith("the quick brown")
    assert run.score("the lazy dog,").tokens[1] == " lazy"
