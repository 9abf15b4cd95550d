"""A file of ranks, as tiktoken has: in each line the bytes of a token in base64, and its id."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seqlab_plugins.tokenizers.file_formats import numbered

END, PROMPT_END = "<|endoftext|>", "<|endofprompt|>"
FIM = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")
_ENDINGS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_MARK = r"[^\r\n\p{L}\p{N}]?"
_LARGE, _SMALL = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_GPT2 = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s+(?!\S)|\s+"
_CL100K = (
    rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|{_MARK}+\p{{L}}++|\p{{N}}{{1,3}}+"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++(?!\S)|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_O200K = (
    rf"{_MARK}[{_LARGE}]*[{_SMALL}]+{_ENDINGS}|{_MARK}[{_LARGE}]+[{_SMALL}]*{_ENDINGS}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class Known:
    """What a published file does not say.

    Args:
        pattern: a regular expression for words.
        size: how many tokens the file has.
        special: special tokens and their ids beside the file.
    """

    pattern: str
    size: int = 0
    special: Mapping[str, int] = field(default_factory=dict)

    def special_for(self, ids: Collection[int]) -> Mapping[str, int]:
        """The special tokens beside these ids; in another file they follow the last one."""
        if len(ids) == self.size:
            return self.special
        return {name: max(ids) + number for number, name in enumerate(self.special, 1)}


_CL100K_SPECIAL = {name: 100258 + number for number, name in enumerate(FIM)}
KNOWN: Mapping[str, Known] = {
    "gpt2": Known(_GPT2, 50256, {END: 50256}),
    "r50k_base": Known(_GPT2, 50256, {END: 50256}),
    "p50k_base": Known(_GPT2, 50280, {END: 50256}),
    "cl100k_base": Known(_CL100K, 100256, {END: 100257, **_CL100K_SPECIAL, PROMPT_END: 100276}),
    "o200k_base": Known(_O200K, 199998, {END: 199999, PROMPT_END: 200018}),
}


class Ranks:
    """A file of ranks, applied by the library `tiktoken`.

    Raises:
        ValueError: it is damaged, or nothing says how text is cut; the library is missing.
    """

    unknown = None
    model_step = "its `pattern`"  # what it does not match is left out

    def __init__(self, data: bytes, pattern: str | None) -> None:
        library = _library()
        if pattern is None:
            raise ValueError(
                "is a file of ranks, which does not say how a text is cut into words: add"
                f" `pattern`, one of {', '.join(KNOWN)} or a regular expression"
            )
        known, ranks = KNOWN.get(pattern, Known(pattern)), _ranks(data)
        self.special = known.special_for(ranks.values())
        tokens = {i: token for token, i in ranks.items()}
        self.tokens = numbered(tokens | dict.fromkeys(self.special.values(), b""))
        self._encoding = _encoding(library, known.pattern, ranks)

    def encode(self, text: str) -> Sequence[int]:
        ids: list[int] = self._encoding.encode_ordinary(text)
        return ids

    def losing_step(self, text: str) -> str | None:
        return None


def _library() -> Any:
    try:
        import tiktoken
    except ImportError:
        raise ValueError(
            "is a file of ranks, which needs a package: pip install 'seqlab[tiktoken]'"
        ) from None
    return tiktoken


def _ranks(data: bytes) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(data.splitlines(), 1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error):
            raise ValueError(
                f"line {number:,} is {line[:40]!r}, not the base64 of a token and its id"
            ) from None
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise ValueError(f"has no token for the byte {missing[0]}, so some texts have no ids")
    if len({*ranks.values()}) < len(ranks):
        raise ValueError("gives one id to several tokens")
    return ranks


def _encoding(library: Any, expression: str, ranks: Mapping[bytes, int]) -> Any:
    try:
        return library.Encoding(
            "file", pat_str=expression, mergeable_ranks=ranks, special_tokens={}
        )
    except Exception as error:  # the library raises nothing more particular
        raise ValueError(f"`pattern` is no regular expression for it: {error}") from None
