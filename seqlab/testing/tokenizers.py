"""What a tokenizer promises. V tokens have the ids 0 to V - 1."""

from __future__ import annotations

import codecs
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydantic_core import to_jsonable_python
from torch import Tensor

from seqlab.contracts import Document, Ids
from seqlab.errors import CorpusError
from seqlab.packing import pack, unpack
from seqlab.testing.other_process import ask, encoded
from seqlab.testing.promises import Check, NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone

TEXTS = (
    "The quick brown fox,\njumps over the  lazy dog.\r\nSo it does:\tthe dog, the fox.\n",
    " 想要有直升机，想要和你飞到宇宙去。分开 𠮷野家\u2028nai\u0308ve cafe\u0301s, \u212b, \ufb01",
    "",
)
# One document, cut where a reader cuts it: between letter and accent, and within an emoji.
PIECES = ("Cafe", "\u0301 and caf\u00e9, na\u00efve; ", "👩\u200d", "👩\u200d👧 ✌🏽 🇨🇳 fi\x00\n")
SAMPLES = (*TEXTS, *PIECES)
UNSEEN = ("Ωμέγα ж 한글 ☃", "QUIZ 0123456789", "\x7f\ud800", "🦖\U0010ffff")
IDS = (Ids(np.array([0, 3, 1, 4])), Ids(np.array([2, 0]), np.array([0.0, 1.0])))

# What a text may be one run of, without a place where words are sure to end.
RUNS = {
    "letters": "acgt",
    "Han characters": "想要有直升机和你飞到宇宙去",
    "flags": "🇩🇪",
    "marks": "e\u0301",
    "digits": "0123456789",
    "spaces": " ",
}
LENGTHS = (4_000, 64_000)  # characters
SHORTEST = 0.005  # seconds, below which nothing is said of a time

Facts = dict[str, Any]


def _documents() -> Iterator[Document]:
    """Documents as the core gives them: once, and one of them in pieces."""
    yield from TEXTS
    yield iter(PIECES)


def _fitted(subject: Subject) -> tuple[Any, tuple[str, ...]]:
    """A tokenizer, and the texts that it was fitted to; none if it is for corpora of ids."""
    tokenizer = subject.build()
    try:
        tokenizer.fit(_documents())
    except CorpusError as refused:
        tokenizer = subject.build()
        try:
            tokenizer.fit(iter(IDS))
        except CorpusError:
            raise refused from None
        return tokenizer, ()
    return tokenizer, SAMPLES


def _for_text(subject: Subject) -> Any:
    tokenizer, texts = _fitted(subject)
    if not texts:
        raise NotApplicable("it is for corpora of token ids, which have no text")
    return tokenizer


def _ids(tokenizer: Any, text: str) -> list[int]:
    found = np.asarray(tokenizer.encode(text))
    expect(found.ndim == 1, "ids in one dimension", f"{found.ndim} of them for {text!r}")
    integers = not found.size or np.issubdtype(found.dtype, np.integer)
    expect(bool(integers), "ids that are integers", f"{found.dtype} for {text!r}")
    return [int(token) for token in found]


def _bytes(tokenizer: Any, ids: list[int]) -> list[bytes]:
    return [tokenizer.token_bytes(token) for token in ids]


def ids_are_below_size(subject: Subject) -> None:
    """Ids are integers (1-D) from 0 to `size` - 1; an empty text has none."""
    tokenizer, texts = _fitted(subject)
    size = tokenizer.size
    expect(type(size) is int and size > 0, "`size` to be an integer above 0", repr(size))
    for text in texts:
        _all_below(_ids(tokenizer, text), size, text)
    empty = _ids(tokenizer, "")
    expect(not empty, "no id for an empty text", empty)


def _all_below(ids: list[int], size: int, text: str) -> None:
    wrong = [token for token in ids if not 0 <= token < size]
    expect(not wrong, f"ids of 0 … {size - 1}", f"{wrong[:3]} for {text!r}")


def texts_come_back(subject: Subject) -> None:
    """The bytes of a text's tokens, joined, are the text in UTF-8, to the last newline."""
    tokenizer = _for_text(subject)
    for text in SAMPLES:
        found = b"".join(_bytes(tokenizer, _ids(tokenizer, text))).decode("utf-8", "replace")
        expect(found == text, f"{text!r} to come back from its ids", repr(found))


def tokens_stream_as_text(subject: Subject) -> None:
    """Read token by token, bytes become characters as they come, and never a wrong one."""
    tokenizer = _for_text(subject)
    for text in SAMPLES:
        decoder = codecs.getincrementaldecoder("utf-8")()
        tokens = _bytes(tokenizer, _ids(tokenizer, text))
        try:
            found = "".join(decoder.decode(token) for token in tokens) + decoder.decode(b"", True)
        except UnicodeDecodeError as error:
            found = str(error)
        expect(found == text, f"{text!r} token by token", repr(found))


def every_id_has_bytes(subject: Subject) -> None:
    """Each id has its bytes, whether or not a text has the token, and in whatever order asked."""
    tokenizer, _ = _fitted(subject)
    ids = range(tokenizer.size)
    found = {token: tokenizer.token_bytes(token) for token in ids}
    for token in reversed(ids):
        data, again = found[token], tokenizer.token_bytes(token)
        expect(isinstance(data, bytes), f"bytes of token {token}", repr(data))
        expect(data == again, f"the same bytes of token {token} again", f"{data!r}, then {again!r}")


def end_of_document_is_an_id(subject: Subject) -> None:
    """`end_of_document` is None or one of the ids."""
    tokenizer, _ = _fitted(subject)
    end, size = tokenizer.end_of_document, tokenizer.size
    if end is not None:
        expect(type(end) is int and 0 <= end < size, f"None, or an id of 0 … {size - 1}", repr(end))


def _facts(tokenizer: Any, texts: tuple[str, ...]) -> Facts:
    """All that can be seen of a fitted tokenizer."""
    return {
        "size": tokenizer.size,
        "end_of_document": tokenizer.end_of_document,
        "the bytes of the tokens": _bytes(tokenizer, list(range(tokenizer.size))),
        "the ids of texts": [_ids(tokenizer, text) for text in texts],
        "what becomes of unseen texts": [_ids_or_none(tokenizer, text) for text in UNSEEN],
    }


def _ids_or_none(tokenizer: Any, text: str) -> list[int] | None:
    """None: it says that something in the text has no id."""
    try:
        return _ids(tokenizer, text)
    except (ValueError, CorpusError):
        return None


def _same(found: Facts, wanted: Facts, promise: str) -> None:
    for name, value in wanted.items():
        seen = f"{_short(found[name])}, not {_short(value)}"
        expect(found[name] == value, f"{promise}: {name}", seen)


def _short(value: Any) -> str:
    return f"{str(value)[:60]}…" if len(str(value)) > 60 else str(value)


def _through_a_file(state: Mapping[str, Any]) -> Any:
    """What a checkpoint gives back."""
    tensors: dict[str, Tensor] = {}
    packed = json.loads(json.dumps(pack(state, "tokenizer", tensors)))
    return unpack(packed, {name: tensor.clone() for name, tensor in tensors.items()})


def vocabulary_survives_saving(subject: Subject) -> None:
    """Loaded from a checkpoint, another instance has the same ids for everything."""
    tokenizer, texts = _fitted(subject)
    loaded = subject.build()
    loaded.load_state_dict(_through_a_file(tokenizer.state_dict()))
    _same(_facts(loaded, texts), _facts(tokenizer, texts), "the loaded one to have the same")


def fitted_alike_is_alike(subject: Subject) -> None:
    """Two instances that were fitted to the same documents have the same ids for everything."""
    (one, texts), (other, _) = _fitted(subject), _fitted(subject)
    _same(_facts(other, texts), _facts(one, texts), "another instance to have the same")


def hash_seed_does_not_matter(subject: Subject) -> None:
    """Ids are the same in every process, whatever seed Python hashes texts with."""
    _for_text(subject)
    options = to_jsonable_python(dict(subject.options))
    found = ask("encodes", subject.factory, options=options, texts=list(SAMPLES))
    _same(found, encoded(subject.build(), SAMPLES), "the same in another process")


def unseen_text_has_ids_or_is_refused(subject: Subject) -> None:
    """Text that was not shown in fitting has ids in range, or is refused with a ValueError."""
    tokenizer, _ = _fitted(subject)
    for text in UNSEEN:
        _all_below(_ids_or_none(tokenizer, text) or [], tokenizer.size, text)


def fitting_leaves_chance_alone(subject: Subject) -> None:
    """Fitting and encoding neither seed global generators nor draw from them."""
    with random_states_left_alone():
        tokenizer, texts = _fitted(subject)
        for text in texts:
            tokenizer.encode(text)


def time_grows_with_the_text(subject: Subject) -> None:
    """16 times as much text takes no more than 60 times as long, whatever it is one run of."""
    if not _fitted(subject)[1]:
        return  # ids have no text
    for name, piece in RUNS.items():
        short, long = (min(_seconds(subject, piece, n) for _ in range(2)) for n in LENGTHS)
        times = long / max(short, SHORTEST)
        said = f"{times:.0f} times as long ({long:.2f} s) for 16 times as many {name}"
        expect(times < 60 or long < SHORTEST, "a time that grows with the length of a text", said)


def _seconds(subject: Subject, piece: str, characters: int) -> float:
    """How long it takes to learn a text of one run, and to encode it."""
    text = (piece * characters)[:characters]
    tokenizer = subject.build()
    begun = time.process_time()
    tokenizer.fit(iter([text]))
    _ids_or_none(tokenizer, text)
    return time.process_time() - begun


CHECKS: tuple[Check, ...] = (
    ids_are_below_size,
    texts_come_back,
    tokens_stream_as_text,
    every_id_has_bytes,
    end_of_document_is_an_id,
    vocabulary_survives_saving,
    fitted_alike_is_alike,
    hash_seed_does_not_matter,
    unseen_text_has_ids_or_is_refused,
    fitting_leaves_chance_alone,
    time_grows_with_the_text,
)
