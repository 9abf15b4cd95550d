"""What a tokenizer promises. V tokens have the ids 0 to V - 1."""

from __future__ import annotations

import codecs
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import to_jsonable_python

from seqlab.contracts import Document, Ids
from seqlab.errors import CorpusError
from seqlab.generation.impossible import without_text
from seqlab.testing.copied_files import change_files, copied_files
from seqlab.testing.other_process import fit_and_encode, run_elsewhere
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone
from seqlab.testing.saving import saved_and_loaded

TEXTS = (
    "The quick brown fox,\njumps over the  lazy dog.\r\nSo it does:\tthe dog, the fox.\n",
    " 想要有直升机，想要和你飞到宇宙去。分开 𠮷野家\u2028nai\u0308ve cafe\u0301s, \u212b, \ufb01",
    "",
)
# One document, cut where a reader cuts it: between letter and accent, and within an emoji.
PIECES = ("Cafe", "\u0301 and caf\u00e9, na\u00efve; ", "👩\u200d", "👩\u200d👧 ✌🏽 🇨🇳 fi\x00\n")
SAMPLES = (*TEXTS, *PIECES)
UNSEEN = ("Ωμέγα ж 한글 ☃", "QUIZ 0123456789", "\x7f\ud800", "🦖\U0010ffff")
# What a fast path may cut into blocks, and more characters than 8 bits can number.
LONG_TEXT = TEXTS[0] * 900
BLOCKS = (999, 1000, 1001, 1024, 4096, 4097, 65_537)  # characters
MANY_LETTERS = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
IDS = (Ids(np.array([0, 3, 1, 4])), Ids(np.array([2, 0]), np.array([0.0, 1.0])))

# Texts without a sure end of a word: one run of the same characters.
RUNS = {
    "letters": "acgt",
    "Han characters": "想要有直升机和你飞到宇宙去",
    "flags": "🇩🇪",
    "marks": "e\u0301",
    "digits": "0123456789",
    "spaces": " ",
}
LENGTHS = (4_000, 64_000)  # characters
MIN_SECONDS = 0.005  # shorter times are too noisy to compare

Facts = dict[str, Any]


def _documents() -> Iterator[Document]:
    """Documents as the core gives them: only once, and one of them in pieces."""
    yield from TEXTS
    yield iter(PIECES)


def _fitted(subject: Subject) -> tuple[Any, tuple[str, ...]]:
    """A fitted tokenizer, and the texts that it was fitted to: none if it is for token ids."""
    tokenizer = subject.build()
    try:
        tokenizer.fit(_documents())
    except CorpusError as refusal:
        tokenizer = subject.build()
        try:
            tokenizer.fit(iter(IDS))
        except CorpusError:
            raise refusal from None
        return tokenizer, ()
    return tokenizer, SAMPLES


def _fitted_to_text(subject: Subject) -> Any:
    tokenizer, texts = _fitted(subject)
    if not texts:
        raise NotApplicable("it is for corpora of token ids, which have no text")
    return tokenizer


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids = np.asarray(tokenizer.encode(text))
    expect(ids.ndim == 1, "ids in one dimension", f"{ids.ndim} of them for {text!r}")
    integers = not ids.size or np.issubdtype(ids.dtype, np.integer)
    expect(bool(integers), "ids that are integers", f"{ids.dtype} for {text!r}")
    return [int(token) for token in ids]


def _bytes(tokenizer: Any, ids: list[int]) -> list[bytes]:
    return [tokenizer.token_bytes(token) for token in ids]


def ids_are_below_size(subject: Subject) -> None:
    """Ids are integers (1-D) from 0 to `size` - 1; an empty text has none."""
    tokenizer, texts = _fitted(subject)
    size = tokenizer.size
    expect(type(size) is int and size > 0, "`size` to be an integer above 0", repr(size))
    for text in texts:
        _expect_below(_ids(tokenizer, text), size, text)
    expect(not _ids(tokenizer, ""), "no id for an empty text", _ids(tokenizer, ""))


def _expect_below(ids: list[int], size: int, text: str) -> None:
    wrong = [token for token in ids if not 0 <= token < size]
    expect(not wrong, f"ids of 0 … {size - 1}", f"{wrong[:3]} for {text!r}")


def texts_come_back(subject: Subject) -> None:
    """The bytes of a text's tokens, joined, are the text in UTF-8, to the last newline."""
    tokenizer = _fitted_to_text(subject)
    for text in SAMPLES:
        joined = _joined(tokenizer, text)
        expect(joined == text, f"{text!r} to come back from its ids", repr(joined))


def _joined(tokenizer: Any, text: str) -> str:
    """A text that it was fitted to, as it comes back."""
    try:
        ids = _ids(tokenizer, text)
    except ValueError as error:
        expect(False, f"ids for {_shortened(text)!r}, which it was fitted to", error)
        raise
    return b"".join(_bytes(tokenizer, ids)).decode("utf-8", "replace")


def long_texts_come_back(subject: Subject) -> None:
    """So do long texts, of whatever length, and texts of more than 256 different characters."""
    _fitted_to_text(subject)
    texts = [*(LONG_TEXT[:length] for length in BLOCKS), MANY_LETTERS]
    tokenizer = subject.build()
    tokenizer.fit(iter(texts))
    for text in texts:
        joined = _joined(tokenizer, text)
        place = next((n for n in range(len(joined)) if not text.startswith(joined[n], n)), 0)
        seen = f"{len(joined)} characters, other ones from {place} on"
        expect(joined == text, f"a text of {len(text)} characters to come back", seen)


def encoding_depends_on_the_text_alone(subject: Subject) -> None:
    """A text has the same ids whatever was encoded before it."""
    first, second = _fitted_to_text(subject), _fitted_to_text(subject)
    texts = [*SAMPLES, *UNSEEN]
    texts += [text[:1] + text[-2:0:-1] + text[-1:] for text in texts]  # as long, with its ends
    forwards = [_ids_or_none(first, text) for text in texts]
    backwards = [_ids_or_none(second, text) for text in reversed(texts)]
    for text, ids, other in zip(texts, forwards, reversed(backwards), strict=True):
        seen = f"{_shortened(other)} after other texts"
        expect(ids == other, f"the same ids for {text!r}: {_shortened(ids)}", seen)


def tokens_stream_as_text(subject: Subject) -> None:
    """Read token by token, bytes become characters as they come, and never a wrong one."""
    tokenizer = _fitted_to_text(subject)
    for text in SAMPLES:
        decoder = codecs.getincrementaldecoder("utf-8")()
        tokens = _bytes(tokenizer, _ids(tokenizer, text))
        try:
            decoded = "".join(map(decoder.decode, tokens)) + decoder.decode(b"", True)
        except UnicodeDecodeError as error:
            decoded = str(error)
        expect(decoded == text, f"{text!r} token by token", repr(decoded))


def every_id_has_bytes(subject: Subject) -> None:
    """Each id has its bytes, in any order of calls, whether or not a text has the token."""
    tokenizer, _ = _fitted(subject)
    ids = range(tokenizer.size)
    for token, data in reversed(list(zip(ids, _bytes(tokenizer, list(ids)), strict=True))):
        again = tokenizer.token_bytes(token)
        expect(isinstance(data, bytes), f"bytes of token {token}", repr(data))
        expect(data == again, f"the same bytes of token {token} again", f"{data!r}, then {again!r}")


def end_of_document_is_an_id(subject: Subject) -> None:
    """`end_of_document` is None or one of the ids."""
    tokenizer, _ = _fitted(subject)
    end, size = tokenizer.end_of_document, tokenizer.size
    if end is not None:
        expect(type(end) is int and 0 <= end < size, f"None, or an id of 0 … {size - 1}", repr(end))


def unknown_and_reserved_ids_are_in_no_text(subject: Subject) -> None:
    """No text that it was fitted to has `unknown_token` or one of `reserved`, which are ids."""
    tokenizer, texts = _fitted(subject)
    never, size = sorted(without_text(tokenizer)), tokenizer.size
    inside = all(type(token) is int and 0 <= token < size for token in never)
    expect(inside, f"None, or ids of 0 … {size - 1}", never)
    wrong = sorted({*never} & {token for text in texts for token in _ids(tokenizer, text)})
    expect(not wrong, "no unknown or reserved id in what it was fitted to", wrong)


def _facts(tokenizer: Any, texts: tuple[str, ...]) -> Facts:
    """Everything that a fitted tokenizer shows, by its name in a message."""
    return {
        "size": tokenizer.size,
        "end_of_document": tokenizer.end_of_document,
        "the bytes of the tokens": _bytes(tokenizer, list(range(tokenizer.size))),
        "the ids of texts": [_ids(tokenizer, text) for text in texts],
        "what becomes of unseen texts": [_ids_or_none(tokenizer, text) for text in UNSEEN],
    }


def _ids_or_none(tokenizer: Any, text: str) -> list[int] | None:
    """The ids of a text; None: the tokenizer refuses it."""
    try:
        return _ids(tokenizer, text)
    except (ValueError, CorpusError):
        return None


def _expect_same(actual: Facts, expected: Facts, promise: str) -> None:
    for name, value in expected.items():
        seen = f"{_shortened(actual[name])}, not {_shortened(value)}"
        expect(actual[name] == value, f"{promise}: {name}", seen)


def _shortened(value: Any) -> str:
    return f"{str(value)[:60]}…" if len(str(value)) > 60 else str(value)


def vocabulary_survives_saving(subject: Subject) -> None:
    """Loaded from a checkpoint, another instance has the same ids for everything."""
    tokenizer, texts = _fitted(subject)
    loaded = subject.build()
    loaded.load_state_dict(saved_and_loaded(tokenizer.state_dict()))
    expected = _facts(tokenizer, texts)
    _expect_same(_facts(loaded, texts), expected, "the loaded one to have the same")


def files_count_when_it_is_fitted(subject: Subject) -> None:
    """What a file said when it was fitted counts, though the file is another one when it loads."""
    with tempfile.TemporaryDirectory() as folder:
        copied = copied_files(subject, Path(folder))
        if not copied:
            raise NotApplicable("no option is a file")
        changed = subject.with_options({**subject.options, **copied})
        tokenizer, texts = _fitted(changed)
        expected, state = _facts(tokenizer, texts), saved_and_loaded(tokenizer.state_dict())
        change_files(copied)
        _expect_same(_facts(tokenizer, texts), expected, "the same though its file changed")
        try:
            loaded = changed.build()
        except (OSError, ValueError) as error:
            raise NotApplicable(f"it does not take a changed file: {error}") from None
        loaded.load_state_dict(state)
        _expect_same(_facts(loaded, texts), expected, "what was saved, though its file changed")


def fitted_alike_is_alike(subject: Subject) -> None:
    """Two instances that were fitted to the same documents have the same ids for everything."""
    (first, texts), (second, _) = _fitted(subject), _fitted(subject)
    _expect_same(_facts(second, texts), _facts(first, texts), "another instance to have the same")


def hash_seed_does_not_matter(subject: Subject) -> None:
    """Ids are the same in every process, for any hash seed of Python."""
    _fitted_to_text(subject)
    options = to_jsonable_python(dict(subject.options))
    actual = run_elsewhere("encode", subject.factory, options=options, texts=list(SAMPLES))
    expected = fit_and_encode(subject.build(), SAMPLES)
    _expect_same(actual, expected, "the same in another process")


def unseen_text_has_ids_or_is_refused(subject: Subject) -> None:
    """Text that was not shown in fitting has ids in range, or is refused with a ValueError."""
    tokenizer, _ = _fitted(subject)
    for text in UNSEEN:
        _expect_below(_ids_or_none(tokenizer, text) or [], tokenizer.size, text)


def fitting_leaves_chance_alone(subject: Subject) -> None:
    """Fitting and encoding neither seed global generators nor draw from them."""
    with random_states_left_alone():
        tokenizer, texts = _fitted(subject)
        for text in texts:
            tokenizer.encode(text)


def time_grows_with_the_text(subject: Subject) -> None:
    """16 times as much text takes at most 60 times as long, even for a run of one character."""
    if not _fitted(subject)[1]:
        return  # ids have no text
    for name, piece in RUNS.items():
        short, long = (min(_seconds(subject, piece, n) for _ in range(2)) for n in LENGTHS)
        times = long / max(short, MIN_SECONDS)
        seen = f"{times:.0f} times as long ({long:.2f} s) for 16 times as many {name}"
        expect(
            times < 60 or long < MIN_SECONDS, "a time that grows with the length of a text", seen
        )


def _seconds(subject: Subject, piece: str, characters: int) -> float:
    """How long it takes to learn a text of one run, and to encode it."""
    text = (piece * characters)[:characters]
    tokenizer = subject.build()
    begun = time.process_time()
    tokenizer.fit(iter([text]))
    _ids_or_none(tokenizer, text)
    return time.process_time() - begun
