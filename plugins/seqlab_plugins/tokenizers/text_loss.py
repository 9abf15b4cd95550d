"""What a tokenizer's file loses of a text, by the name of the step that loses it."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab_plugins.tokenizers.file_formats import FileTokenizer

# Each shows one thing that steps of files change; the plainest come first.
PROBES = {
    "a": "the beginning of a text",
    "A": "capital letters",
    "a  b": "two spaces",
    " a ": "spaces at the ends",
    "a b": "spaces",
    "a\nb": "line feeds",
    "a\tb\r\n": "tabs and carriage returns",
    "a,b": "punctuation",
    "12": "digits",
    "caf\u00e9": "accents",
    "cafe\u0301": "combining accents",
    "\ufb01\uff21\u00bd\u212b": "compatibility characters",
    "\u00a0\u3000": "other spaces",
    "a\u200bb\u00adc\x7f\x01": "invisible characters",
    "\u5206\u5f00": "Han characters",
}
_ACCEPT = "`lossy: true` accepts that"


def check_steps(opened: FileTokenizer, tokens: Sequence[bytes]) -> None:
    """Raise ValueError if a text of some ordinary kind does not come back from its ids."""
    for text, kind in PROBES.items():
        if step := opened.losing_step(text):
            raise ValueError(f"{step} changes {kind}, so that texts do not come back; {_ACCEPT}")
        ids = opened.encode(text)
        if opened.unknown not in ids and _joined(tokens, ids) != text.encode():
            raise ValueError(
                f"{opened.model_step} changes {kind}, so that texts do not come back; {_ACCEPT}"
            )


def loss_of(opened: FileTokenizer, tokens: Sequence[bytes], text: str, ids: Sequence[int]) -> str:
    """Say which step loses what of a text that does not come back from its ids."""
    read = _joined(tokens, ids).decode("utf-8", "replace")
    place = next((i for i, (a, b) in enumerate(zip(text, read, strict=False)) if a != b), None)
    place = min(len(text), len(read)) if place is None else place
    what = f"{text[place : place + 1]!r} at position {place:,}"
    step = opened.losing_step(text) or opened.model_step
    if opened.unknown in ids and tokens[opened.unknown or 0].decode() == read[place : place + 1]:
        return f"{step} has no token for {what}; {_ACCEPT}"
    return f"{step} loses {what}; {_ACCEPT}"


def _joined(tokens: Sequence[bytes], ids: Sequence[int]) -> bytes:
    return b"".join([tokens[token] for token in ids])
