"""Text that matches an expression, with tokenizers of every kind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.decoders.sampling import Greedy, Sample
from seqlab_plugins.tokenizers.basic import Bytes, Characters
from seqlab_plugins.tokenizers.bpe import BytePairs
from seqlab_plugins.tokenizers.words import Words

import seqlab
from benchmarks.plain_model import language_model
from seqlab.errors import ExperimentError
from seqlab.generation.generating import generate
from seqlab.generation.streaming import stream

pytest.importorskip("llguidance")
from seqlab_plugins.cells.recurrent import GRU
from seqlab_plugins.decoders.constrained import Constrained

LETTERS = 'abcdefg分开不0123456789{}[]":,-.truefalsn \n'


def constrained(tokenizer, inner=Greedy, **options):
    return Constrained(tokenizer, inner=inner, **options)


def characters(**options):
    tokenizer = Characters(**options)
    tokenizer.fit([LETTERS])
    return tokenizer


def byte_pairs(**options):
    tokenizer = BytePairs(vocabulary=290, **options)
    tokenizer.fit(['分开 不分开 abc abc true false 123 123 "a":' * 9])
    return tokenizer


TOKENIZERS = {
    "characters": characters,
    "characters that end": lambda: characters(end_of_document="\n"),
    "bytes": Bytes,
    "bytes that end": lambda: Bytes(end_of_document=True),
    "byte pairs": byte_pairs,
    "byte pairs that end": lambda: byte_pairs(end_of_document=True),
}


@pytest.fixture(params=TOKENIZERS.values(), ids=TOKENIZERS)
def tokenizer(request):
    return request.param()


def model_for(tokenizer, seed=0):
    """An untrained model with strong opinions."""
    torch.manual_seed(seed)
    model = language_model(tokenizer.size, lambda size: GRU(size, hidden_size=24))
    for parameter in model.parameters():
        parameter.data *= 4
    return model


def texts(tokenizer, decoder, length=60, num=4, prefixes=("ab", "分", "c"), **options):
    if tokenizer.end_of_document is not None:
        options.setdefault("stop_tokens", [tokenizer.end_of_document])
    model = model_for(tokenizer)
    return generate(model, tokenizer, decoder, list(prefixes), length=length, num=num, **options)


def kept(tokenizer, result):
    """The text without the end of a document, which may have a text of its own."""
    ids = [i for i in result.ids if i != tokenizer.end_of_document]
    return b"".join(map(tokenizer.token_bytes, ids)).decode("utf-8")


PATTERNS = [
    "分(开|不){2,5}",
    "[0-9]{1,3}(,[0-9]{1,3}){2}",
    "(true|false)a?",
    "[a-c]+b",
    "[一-鿿]{4}",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_ends_by_itself_matches_whole_and_whatever_is_cut_is_a_beginning(tokenizer, pattern):
    decoder = constrained(tokenizer, pattern=pattern, inner=lambda: Sample(temperature=2.0))
    results = texts(tokenizer, decoder)
    ended = [result for result in results if result.ended in ("complete", "stop")]
    assert all(re.fullmatch(pattern, kept(tokenizer, result)) for result in ended)
    assert ended
    assert {result.ended for result in results} <= {"complete", "stop", "length"}


def test_the_same_text_comes_alone_streamed_and_in_company(tokenizer):
    decoder = constrained(tokenizer, pattern="[abc分开]{1,9}", inner=Sample)
    together = texts(tokenizer, decoder, num=2, seed=3)
    for index, prefix in enumerate(("ab", "分", "c")):
        again = constrained(tokenizer, pattern="[abc分开]{1,9}", inner=Sample)
        alone = texts(tokenizer, again, num=2, seed=3, prefixes=[prefix])
        assert [r.ids for r in alone] == [r.ids for r in together[2 * index : 2 * index + 2]]
        stop_tokens = [] if tokenizer.end_of_document is None else [tokenizer.end_of_document]
        settings = {"length": 60, "seed": 3, "stop_tokens": stop_tokens}
        pieces = stream(model_for(tokenizer), tokenizer, again, prefix, **settings)
        assert "".join(pieces) == alone[0].continuation


SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "integer", "minimum": 0, "maximum": 99},
        "b": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ["a", "b"],
    "additionalProperties": False,
}


def test_json_is_valid_and_has_no_spaces(tokenizer):
    decoder = constrained(tokenizer, schema=SCHEMA, inner=lambda: Sample(temperature=3.0))
    ended = [r for r in texts(tokenizer, decoder, length=90) if r.ended in ("complete", "stop")]
    assert ended
    for result in ended:
        jsonschema.validate(json.loads(kept(tokenizer, result)), SCHEMA)
        assert " " not in kept(tokenizer, result)


def test_a_schema_may_contain_itself():
    tokenizer = characters()
    tree = {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}
    decoder = constrained(tokenizer, schema=tree, inner=lambda: Sample(temperature=9.0))
    ended = [r for r in texts(tokenizer, decoder, length=200) if r.ended == "complete"]
    assert ended
    assert all(isinstance(json.loads(result.continuation), list) for result in ended)


def test_every_way_to_cut_a_text_into_tokens_is_open():
    """Even where only one text may come: halves of characters, and pairs of letters."""
    tokenizer = byte_pairs()
    decoder = constrained(tokenizer, pattern="分abc")
    logits, lengths = torch.zeros(1, tokenizer.size), torch.tensor([1])
    uniform, seen = torch.zeros(1, dtype=torch.float64), set()
    for token in range(tokenizer.size):
        history = torch.tensor([[0]])
        wanted = logits.clone()
        wanted[0, token] = 1.0
        ids, _ = decoder.choose(wanted, history, uniform, lengths, None)
        seen.add(int(ids[0]))
    expected = {
        i for i in range(tokenizer.size) if "分abc".encode().startswith(tokenizer.token_bytes(i))
    }
    assert seen == expected
    assert len(expected) > 1


def test_without_an_end_of_document_it_ends_where_the_inner_decoder_wants_to_leave():
    tokenizer = characters()
    digit, letter = (int(tokenizer.encode(c)[0]) for c in "7a")
    decoder, uniform = constrained(tokenizer, pattern="[0-9]+"), torch.zeros(1, dtype=torch.float64)
    logits = torch.zeros(1, tokenizer.size)
    logits[0, letter], logits[0, digit] = 2.0, 1.0
    first = decoder.choose(logits, torch.tensor([[letter]]), uniform, torch.tensor([1]), None)[0]
    second = decoder.choose(
        logits, torch.tensor([[letter, digit]]), uniform, torch.tensor([1]), None
    )[0]
    assert (first.tolist(), second.tolist()) == ([digit], [seqlab.COMPLETE])


def test_behind_the_end_of_a_document_nothing_comes():
    tokenizer = characters(end_of_document="\n")
    decoder = constrained(tokenizer, pattern="abc")
    (result,) = texts(tokenizer, decoder, prefixes=["ab"], num=1, stop_tokens=[])
    assert (result.continuation, result.ended) == ("abc\n", "complete")


def test_an_empty_text_is_a_text(caplog):
    (result,) = texts(characters(), constrained(characters(), pattern=""), prefixes=["ab"], num=1)
    assert (result.continuation, result.ids, result.ended) == ("", (), "complete")
    assert (result.text, result.score) == ("ab", 0)
    assert not caplog.records


def test_a_text_that_no_token_continues_is_stuck_with_a_line(caplog):
    tokenizer = characters()
    decoder = constrained(tokenizer, pattern="a(b|c)(X|Y)")
    results = texts(tokenizer, decoder, prefixes=["ab", "c"], num=1)
    assert [result.ended for result in results] == ["stuck", "stuck"]
    assert all(result.continuation in ("ab", "ac") for result in results)
    assert len(caplog.records) == 2
    assert "decoder 'constrained': no token of the vocabulary fits 'a" in caplog.text


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"pattern": "("}, "unclosed group"),
        ({"pattern": "a(?=b)"}, "look-around"),
        ({"pattern": "XY"}, "no token of the vocabulary begins a text that fits"),
        ({"schema": {"type": "foo"}}, "foo"),
        ({"schema": {"uniqueItems": True}}, "uniqueItems"),
        ({"schema": {"$ref": "#/nowhere"}}, "nowhere"),
        ({"pattern": "a", "schema": {}}, "has a pattern and a schema: give one of them"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_one_line(options, problem):
    with pytest.raises(ValueError, match=re.escape(problem)) as raised:
        constrained(characters(), inner=Greedy, **options)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("pattern", ["[0-9]{1,100}{1,100}{1,100}", "(a|b)*a(a|b){200}", "(a*)*b"])
def test_a_pattern_of_a_stranger_takes_no_time(pattern):
    tokenizer = characters()
    assert texts(tokenizer, constrained(tokenizer, pattern=pattern), length=30, num=1)


def test_tokens_with_the_same_text_and_with_none_are_told_apart():
    tokenizer = Words(end_of_document=True)
    tokenizer.fit(["the fox and the dog and the fox"])
    decoder = constrained(tokenizer, pattern="(the|fox|dog|and| )+", inner=Sample)
    results = texts(tokenizer, decoder, prefixes=["the fox"])
    assert all(re.fullmatch("(the|fox|dog|and| )+", kept(tokenizer, result)) for result in results)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_text_that_matches_can_be_written_token_by_token(data):
    """Any matching text, cut into tokens in any way, is open at each step."""
    tokenizer = BYTE_PAIRS
    text = data.draw(st.from_regex(r"\A[ab分]{0,6}(true|1[0-9]*)\Z"))
    decoder = constrained(tokenizer, pattern="[ab分]{0,6}(true|1[0-9]*)", inner=Greedy)
    rest, ids = text.encode(), [0]
    while rest:
        fitting = [
            i
            for i in range(tokenizer.size)
            if (t := tokenizer.token_bytes(i)) and rest.startswith(t)
        ]
        token = data.draw(st.sampled_from(fitting))
        logits = torch.zeros(1, tokenizer.size)
        logits[0, token] = 9.0
        uniform, lengths = torch.zeros(1, dtype=torch.float64), torch.tensor([1])
        assert decoder.choose(logits, torch.tensor([ids]), uniform, lengths, None)[0] == token
        ids, rest = [*ids, token], rest[len(tokenizer.token_bytes(token)) :]


BYTE_PAIRS = byte_pairs()


def test_from_an_experiment_and_the_command_line(full_once, registry, monkeypatch):
    run = seqlab.open_run(full_once, registry=registry)
    override = "decoder={name: constrained, pattern: '(the|fox) [a-z]{3}', inner: mirostat}"
    for result in run.generate(["the", "do"], num=3, overrides=[override], seed=2):
        assert re.fullmatch("(the|fox) [a-z]{3}", result.continuation)
        assert result.ended == "complete"
    with pytest.raises(ExperimentError, match=r"decoder: .*unclosed group"):
        run.generate("the", overrides=["decoder={name: constrained, pattern: '('}"])
    monkeypatch.setitem(__import__("sys").modules, "llguidance", None)
    with pytest.raises(ExperimentError, match=r"pip install 'seqlab\[constrained\]'"):
        run.generate("the", overrides=["decoder=constrained"])


def test_the_experiment_draws_poems_and_resumes_to_the_bit():
    experiment = Path(__file__).parents[2] / "experiments" / "constrained.yaml"
    small = ["corpus.max_characters=900", "sampler.batch_size=4", "samples.every=1"]
    small += ["corpus.name=original_lyrics", "corpus.if_unavailable=null", "cell.hidden_size=16"]
    small += ["corpus.newlines=space", "train.cuda_graphs=false", "samples.prefixes=[我]"]
    with seqlab.use_kernels("reference"):
        whole = seqlab.run(experiment, overrides=[*small, "train.epochs=2"], run_dir="whole")
        seqlab.run(experiment, overrides=[*small, "train.epochs=1"], run_dir="half")
        again = seqlab.resume("half", overrides=["train.epochs=2"])
    assert [row["loss"] for row in again.metrics] == [row["loss"] for row in whole.metrics]
    assert again.samples == whole.samples
    assert len(whole.samples) == 2
    assert all(re.fullmatch("我( [一-鿿]{7}){4}", row["text"]) for row in whole.samples)
