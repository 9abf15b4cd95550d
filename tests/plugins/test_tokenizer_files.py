"""The tokenizer `file`: what three formats say, and what is refused by the step that loses it."""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seqlab_plugins.tokenizers.file import File
from seqlab_plugins.tokenizers.ranks import KNOWN

import seqlab
from seqlab.data.tokens import decode
from seqlab.testing import Subject, check_tokenizer, look_at, tokenizers
from seqlab.testing.collection import checks_in

library = pytest.importorskip("tokenizers")
sentencepiece = pytest.importorskip("sentencepiece")
tiktoken = pytest.importorskip("tiktoken")

TEXTS = ["The quick brown fox jumps over the lazy dog, 12 times\n"] * 30
END, MASK, UNKNOWN = "<|endoftext|>", "[MASK]", "<unk>"
cuts, normalizers = library.pre_tokenizers, library.normalizers
BYTES = cuts.ByteLevel(add_prefix_space=False)


def byte_pairs(*, normalizer=None, cut=BYTES) -> bytes:
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = cut
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = library.trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=cuts.ByteLevel.alphabet(),
        special_tokens=[END, MASK],
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer=trainer)
    return tokenizer.to_str().encode()


def with_byte_fallback(*, scheme: str = "never", fallback: bool = True) -> bytes:
    tokens = [UNKNOWN, "\u2581", "a", "b"] + [f"<0x{byte:02X}>" for byte in range(256)] * fallback
    ids = {token: number for number, token in enumerate(tokens)}
    model = library.models.BPE(vocab=ids, merges=[], unk_token=UNKNOWN, byte_fallback=fallback)
    tokenizer = library.Tokenizer(model)
    tokenizer.pre_tokenizer = cuts.Metaspace(prepend_scheme=scheme)
    return tokenizer.to_str().encode()


def word_pieces() -> bytes:
    ids = {UNKNOWN: 0, "the": 1, "##me": 2}
    tokenizer = library.Tokenizer(library.models.WordPiece(ids, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = cuts.BertPreTokenizer()
    tokenizer.decoder = library.decoders.WordPiece()
    return tokenizer.to_str().encode()


PLAIN = {
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    "byte_fallback": True,
}


def pieces(**options) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        vocab_size=300,
        hard_vocab_limit=False,
        minloglevel=2,
        **PLAIN | options,
    )
    return model.getvalue()


def ranks() -> bytes:
    tokens = [*(bytes([byte]) for byte in range(256)), b"th", b"the", b" the"]
    lines = [base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens)]
    return b"".join(lines)


def written(data: bytes) -> Path:
    path = Path("tokenizer.file")
    path.write_bytes(data)
    return path


def fitted(data: bytes, **options) -> File:
    tokenizer = File(path=written(data), **options)
    tokenizer.fit(TEXTS)
    return tokenizer


FORMATS = {
    "tokenizer.json": (byte_pairs, {}),
    "byte fallback": (with_byte_fallback, {}),
    "sentencepiece": (pieces, {}),
    "ranks": (ranks, {"pattern": "cl100k_base"}),
}


def test_it_keeps_every_promise_of_a_tokenizer():
    check_tokenizer(File, path=written(byte_pairs()))


@pytest.mark.parametrize("name", ["byte fallback", "sentencepiece", "ranks"])
def test_every_format_keeps_the_promises_that_need_no_other_process(registry, name):
    make, options = FORMATS[name]
    options = options | {"path": written(make())}
    subject = Subject.of_component(registry.find("tokenizer", "file"), options)
    checks = [c for c in checks_in(tokenizers) if c is not tokenizers.hash_seed_does_not_matter]
    assert len(checks) > 10
    assert [r for check in checks if (r := look_at(check, subject)).verdict == "broken"] == []


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A tokenizer of each format."""
    with pytest.MonkeyPatch.context() as own:
        own.chdir(tmp_path_factory.mktemp("files"))
        return [fitted(make(), **options) for make, options in FORMATS.values()]


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581")))
def test_every_text_comes_back(opened, text):
    assert {decode(tokenizer, tokenizer.encode(text)) for tokenizer in opened} == {text}


def test_ids_are_those_of_the_library_that_made_the_file():
    data = byte_pairs()
    whole = library.Tokenizer.from_buffer(data)
    assert fitted(data).encode(TEXTS[0]).tolist() == whole.encode(TEXTS[0]).ids


def test_a_text_never_has_a_special_token_whatever_it_says():
    tokenizer = fitted(byte_pairs(), end_of_document=END)
    ids = tokenizer.encode(f"a{END}{MASK}").tolist()
    assert tokenizer.end_of_document not in ids
    assert tokenizer.reserved == {"mask": 1}
    assert tokenizer.reserved["mask"] not in ids
    assert decode(tokenizer, ids) == f"a{END}{MASK}"


def test_ids_that_a_file_leaves_out_are_never_generated():
    tokenizer = fitted(ranks().replace(b" 258\n", b" 260\n"), pattern="gpt2")
    assert tokenizer.size == 262
    assert tokenizer.reserved == {"unused 258": 258, "unused 259": 259, "endoftext": 261}


NORMALIZERS = [
    (normalizers.NFC(), "NFC", "combining accents"),
    (normalizers.NFKC(), "NFKC", "combining accents"),
    (normalizers.Lowercase(), "Lowercase", "capital letters"),
    (normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]), "NFD", "accents"),
    (normalizers.StripAccents(), "StripAccents", "combining accents"),
    (normalizers.Strip(), "Strip", "spaces at the ends"),
    (normalizers.Prepend("x"), "Prepend", "the beginning of a text"),
    (normalizers.BertNormalizer(lowercase=False), "BertNormalizer", "line feeds"),
]
CUTS = [
    (cuts.ByteLevel(add_prefix_space=True), "ByteLevel", "the beginning of a text"),
    (cuts.Sequence([cuts.WhitespaceSplit(), BYTES]), "WhitespaceSplit", "two spaces"),
    (cuts.Sequence([cuts.Punctuation("removed"), BYTES]), "Punctuation", "punctuation"),
]
LOSING = [
    *(
        (byte_pairs(normalizer=n), f"step `{s}` of the normalizer changes {w}")
        for n, s, w in NORMALIZERS
    ),
    *((byte_pairs(cut=c), f"step `{s}` of the pre-tokenizer changes {w}") for c, s, w in CUTS),
    (with_byte_fallback(scheme="always"), "step `Metaspace` of the pre-tokenizer changes"),
    (word_pieces(), "step `BertPreTokenizer` of the pre-tokenizer changes two spaces"),
    (pieces(add_dummy_prefix=True), "step `add_dummy_prefix` of the normalizer changes"),
    (pieces(remove_extra_whitespaces=True), "step `remove_extra_whitespaces` of the normalizer"),
    (pieces(normalization_rule_name="nmt_nfkc"), "step `normalization_rule` of the normalizer"),
]


@pytest.mark.parametrize(("data", "message"), LOSING, ids=[m.split("`")[1] for _, m in LOSING])
def test_a_step_that_loses_text_is_refused_by_its_name_unless_loss_is_accepted(data, message):
    with pytest.raises(ValueError, match="lossy: true` accepts that") as refused:
        fitted(data)
    assert message in str(refused.value)
    assert fitted(data, lossy=True).encode("The quick").size


def test_a_character_without_a_token_is_named_with_its_place():
    tokenizer = fitted(with_byte_fallback(fallback=False))
    with pytest.raises(
        ValueError, match="step `BPE` of the model has no token for 'x' at position 3"
    ):
        tokenizer.encode("ab xa")


def test_a_text_that_only_one_corpus_has_is_refused_when_it_is_encoded():
    with pytest.raises(
        ValueError, match="step `escape_whitespaces` of the normalizer loses '\u2581'"
    ):
        fitted(pieces()).encode("a \u2581")


def test_words_of_word_pieces_are_read_with_their_spaces():
    tokenizer = fitted(word_pieces(), lossy=True)
    assert decode(tokenizer, tokenizer.encode("the theme x")) == " the theme\ufffd"


def test_a_run_opens_and_goes_on_where_the_file_has_moved(tiny):
    path = written(byte_pairs())
    section = {"name": "file", "path": str(path), "end_of_document": END}
    run = seqlab.run(tiny | {"tokenizer": section, "train": {"steps": 2}})
    text = run.generate("the fox")[0].text
    path.unlink()
    opened = seqlab.open_run(run.path)
    assert opened.generate("the fox")[0].text == text
    assert opened.resume(overrides={"train.steps": 3}).description["step"] == 3
    assert seqlab.open_run(run.export("folder", "out").folder).generate("the fox")[0].text == text


def test_a_masked_objective_finds_the_mask_of_the_file(tiny):
    section = {"name": "file", "path": str(written(byte_pairs()))}
    masked = {"tokenizer": section, "objective": "masked", "train": {"steps": 1}}
    assert seqlab.run(tiny | masked).metrics


UNUSABLE = [
    (b"version https://git-lfs.github.com/spec/v1\n", {}, "is a pointer of Git LFS, not the file"),
    (b"{", {}, "is no valid JSON"),
    (b'{"a": 1}', {}, "is JSON, but no tokenizer.json: it has no `model` (it begins with a)"),
    (b'{"model": {"type": "Best"}}', {}, "cannot be read as a tokenizer.json"),
    (b"words\nand words", {}, "is no tokenizer.json (Hugging Face), no file of ranks (tiktoken)"),
    (b"\nabc", {}, "no whole model of sentencepiece"),
    (b"", {}, "is no tokenizer.json"),
    (ranks(), {}, "does not say how a text is cut into words: add `pattern`, one of gpt2, "),
    (ranks(), {"pattern": "("}, "`pattern` is no regular expression for it"),
    (ranks(), {"pattern": r"\w+"}, "its `pattern` changes two spaces"),
    (ranks()[7:], {"pattern": "gpt2"}, "has no token for the byte 0, so some texts have no ids"),
    (ranks() + b"dGhl x\n", {"pattern": "gpt2"}, "line 260 is b'dGhl x', not the base64"),
    (ranks() + b"dGhlbg== 0\n", {"pattern": "gpt2"}, "gives one id to several tokens"),
    (
        ranks() + b"dGhlbg== 99999999\n",
        {"pattern": "gpt2"},
        "has an id of 100,000,000; ids are 0 to",
    ),
    (pieces(), {"pattern": "gpt2"}, "which has its own rules: leave `pattern` out"),
    (byte_pairs(), {"end_of_document": "<eos>"}, f"'<eos>' for `end_of_document` (it has {END}, "),
]


@pytest.mark.parametrize(("data", "options", "message"), UNUSABLE, ids=[m for *_, m in UNUSABLE])
def test_a_file_that_cannot_be_used_says_why(data, options, message):
    with pytest.raises(ValueError, match=r"path: tokenizer\.file: ") as refused:
        fitted(data, **options)
    assert message in str(refused.value)


def test_a_model_that_cuts_at_random_is_refused():
    content = json.loads(byte_pairs())
    content["model"]["dropout"] = 0.1
    with pytest.raises(ValueError, match="cuts at random"):
        fitted(json.dumps(content).encode(), lossy=True)


def test_a_file_that_is_not_there_is_told_with_its_place_in_the_experiment(tiny):
    tiny["tokenizer"] = {"name": "file", "path": "missing.json"}
    Path("mine.yaml").write_text(json.dumps(tiny))
    with pytest.raises(seqlab.ExperimentError) as refused:
        seqlab.run("mine.yaml")
    path = Path("missing.json").absolute()
    expected = f"tokenizer: path: {path}: cannot be read (No such file or directory)"
    assert [str(c).partition(": ")[2] for c in refused.value.complaints] == [expected]
    assert str(refused.value).startswith("mine.yaml:1:")


def test_a_missing_package_is_told_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(ValueError, match=r"pip install 'seqlab\[tiktoken\]'"):
        fitted(ranks(), pattern="gpt2")


def test_ids_of_the_file_stay_reserved_beside_further_ones(tiny):
    inner = {"name": "file", "path": str(written(byte_pairs()))}
    tokenizer = {"name": "with_reserved", "inner": inner, "reserved": ["mask", "pad"]}
    opened = seqlab.run(tiny | {"tokenizer": tokenizer, "train": {"steps": 1}}).tokenizer
    size = opened.size
    assert opened.reserved == {
        "endoftext": 0, "mask of inner": 1, "mask": size - 2, "pad": size - 1
    }  # fmt: skip


@pytest.fixture(scope="module")
def published():
    """What the library knows of the published files, which it would download."""
    from tiktoken_ext import openai_public

    with pytest.MonkeyPatch.context() as own:
        for name in ("load_tiktoken_bpe", "data_gym_to_mergeable_bpe_ranks"):
            own.setattr(openai_public, name, lambda *_, **__: {})
        return {name: getattr(openai_public, name)() for name in KNOWN}


@settings(deadline=None, max_examples=100)
@example("\r ")  # white space at the end is one word in some of them
@given(st.text(st.sampled_from("aZé中1½'sdmtlrveSDVE \n\r\t\u00a0,./!\u0301ǅʰ_-9")))
def test_words_are_cut_as_for_the_published_files(published, text):
    import regex

    for name, known in KNOWN.items():
        expected = regex.findall(published[name]["pat_str"].replace("$", r"\Z"), text)
        assert (name, regex.findall(known.pattern, text)) == (name, expected)


def test_special_tokens_are_those_of_the_published_files(published):
    assert {name: dict(known.special) for name, known in KNOWN.items()} == {
        name: content["special_tokens"] for name, content in published.items()
    }
