"""Prefixes that end in the middle of a token: their last tokens are taken back.

What these tokens spelled is kept as bytes that the first chosen tokens begin with ("token
healing"). Otherwise the model would go on as if a word ended there.
"""

from __future__ import annotations

from seqlab.contracts import Tokenizer, offered
from seqlab.errors import UsageError
from seqlab.generation.prefixes import Prefix, encode_prefix
from seqlab.generation.spelling import Spelling

MOST = 64  # bytes that are taken back: longer tokens are runs of spaces and the like


def heal(tokenizer: Tokenizer, text: str, spelling: Spelling) -> Prefix:
    """Encode a prefix; as many last tokens are taken back as a longer token may begin with.

    One token stays, as the model reads something first. Where the end of the text has no token of
    its own, it is cut off and kept as bytes, if a token begins with it.

    Raises:
        UsageError: as `encode_prefix` does.
    """
    try:
        prefix = encode_prefix(tokenizer, text)
    except UsageError:
        begun = _with_begun_token(tokenizer, text, spelling)
        if begun is None:
            raise
        return begun
    if prefix.ids[-1] == offered(tokenizer, "unknown_token"):
        return _with_begun_token(tokenizer, text, spelling) or prefix
    return _taken_back(tokenizer, prefix, spelling)


def _taken_back(tokenizer: Tokenizer, prefix: Prefix, spelling: Spelling) -> Prefix:
    kept, rest, healed = len(prefix.ids), b"", prefix
    longest = min(spelling.longest, MOST)
    while kept > 1 and len(rest) < longest:
        kept -= 1
        data = tokenizer.token_bytes(prefix.ids[kept])
        if not data:
            break
        rest = data + rest
        if len(rest) <= MOST and spelling.has_longer(rest):
            healed = Prefix(prefix.text, prefix.ids[:kept], rest, prefix.added)
    return healed


def _with_begun_token(tokenizer: Tokenizer, text: str, spelling: Spelling) -> Prefix | None:
    """Cut off the shortest end that leaves text with ids; None: no token begins with it."""
    unknown = offered(tokenizer, "unknown_token")
    for size in range(1, min(len(text), spelling.longest, MOST)):
        rest = text[-size:].encode("utf-8", "surrogatepass")
        try:
            before = encode_prefix(tokenizer, text[:-size])
        except UsageError:
            continue
        if before.ids[-1] != unknown or unknown is None:
            known = spelling.has_longer(rest)
            return Prefix(text, before.ids, rest) if known else None
    return None
