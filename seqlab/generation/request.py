"""What is to be generated, checked: prefixes as they are read, and what ends a continuation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from seqlab.arguments import LARGEST, texts, whole_number
from seqlab.contracts import Decoder, Limits, SearchDecoder, Start, Tokenizer
from seqlab.generation.choosing import asks_for_lengths
from seqlab.generation.healing import heal
from seqlab.generation.impossible import without_text, without_tokens
from seqlab.generation.prefixes import (
    Prefix,
    by_length,
    encode_prefix,
    read_prefixes,
    ready_to_predict,
)
from seqlab.generation.rests import Rests
from seqlab.generation.spelling import Spelling
from seqlab.generation.stops import StopText, limits
from seqlab.kernels import tuning
from seqlab.memory_remedies import MemoryRemedies
from seqlab.model.language_model import LanguageModel
from seqlab.remedies import Argument
from seqlab.training.metrics import has_text


@dataclass(frozen=True)
class Request:
    """Texts to generate; `rests` is None if all prefixes are read to their ends."""

    model: LanguageModel
    tokenizer: Tokenizer
    decoder: Decoder | SearchDecoder
    prefixes: tuple[Prefix, ...]
    seed: int
    limits: Limits
    stop_text: StopText
    rests: Rests | None

    @classmethod
    def of(
        cls,
        model: LanguageModel,
        tokenizer: Tokenizer,
        decoder: Decoder | SearchDecoder,
        prefixes: Sequence[str],
        *,
        length: int,
        seed: int = 0,
        stop: Sequence[str] = (),
        stop_tokens: Sequence[int] = (),
        healing: bool = True,
        allow_unknown: bool = False,
    ) -> Request:
        """Check all of it, and encode the prefixes.

        Raises:
            UsageError: something is not valid, or the model predicts no next token.
        """
        bounds, stop_text = limits(tokenizer, length, stop, stop_tokens)
        seed = whole_number(seed, "seed", 0, LARGEST)
        left_out = frozenset() if allow_unknown else without_text(tokenizer) - bounds.stop
        heals = healing and not asks_for_lengths(decoder)
        encoded, rests = _encoded(tokenizer, texts(prefixes, "prefix"), left_out, heals)
        model = without_tokens(ready_to_predict(model), left_out)
        return cls(model, tokenizer, decoder, encoded, seed, bounds, stop_text, rests)

    def repeated(self, num: int) -> Request:
        """Return the same with each prefix so often."""
        return replace(self, prefixes=tuple(p for p in self.prefixes for _ in range(num)))

    def bounds(self, prefix: Prefix) -> Limits:
        """What ends a continuation of this prefix."""
        if not prefix.rest or self.limits.stop_text is None:
            return self.limits
        return replace(self.limits, stop_text=self.stop_text.after(prefix.rest))

    def batches(self, *, one_length: bool = False) -> Iterator[list[int]]:
        """Yield rows to go through the model together, sorted by the lengths of their prefixes.

        What ends one of them ends all. At most `tuning.ROWS_AT_ONCE`.
        """
        for rows in self._alike():
            by_size = by_length([self.prefixes[row] for row in rows])
            groups = [[rows[i] for i in same] for same in by_size]
            if not one_length:
                groups = [[row for group in groups for row in group]]
            for group in groups:
                for first in range(0, len(group), tuning.ROWS_AT_ONCE):
                    yield group[first : first + tuning.ROWS_AT_ONCE]

    def _alike(self) -> list[list[int]]:
        """Rows with the same bounds."""
        groups: dict[int, list[int]] = {}
        for row, prefix in enumerate(self.prefixes):
            key = len(prefix.rest) if self.limits.stop_text else 0
            groups.setdefault(key, []).append(row)
        return list(groups.values())

    def start(self, rows: Sequence[int], numbers: Sequence[int], num: int = 1) -> Start:
        """Read the prefixes of rows, which have one length; `numbers` are those of all rows."""
        own = [self.prefixes[row] for row in rows]
        start = read_prefixes(self.model, own, [numbers[row] for row in rows], self.seed, num)
        return self.rests.start(start, [prefix.rest for prefix in own]) if self.rests else start

    def starts(self, rows: Sequence[int], numbers: Sequence[int]) -> list[Start]:
        """Read the prefixes of a batch; the rows of one length are in one start."""
        own = [self.prefixes[row] for row in rows]
        return [self.start([rows[i] for i in same], numbers) for same in by_length(own)]


def _encoded(
    tokenizer: Tokenizer, prefixes: Sequence[str], left_out: frozenset[int], heals: bool
) -> tuple[tuple[Prefix, ...], Rests | None]:
    if not (heals and prefixes and has_text(tokenizer)):
        return tuple(encode_prefix(tokenizer, text) for text in prefixes), None
    spelling = Spelling(tokenizer, left_out)
    encoded = tuple(heal(tokenizer, text, spelling) for text in prefixes)
    rests = [prefix.rest for prefix in encoded]
    return encoded, Rests(spelling, rests) if any(rests) else None


def while_generating(request: Request, num: int = 1) -> MemoryRemedies:
    """Name what lowers the memory of continuing each of the prefixes `num` times."""
    prefixes, length = len({prefix.text for prefix in request.prefixes}), request.limits.length
    num *= len(request.prefixes) // max(prefixes, 1)
    repeats = f"{Argument('num')} ({num:,}) or " if num > 1 else ""
    fewer = f", or give fewer prefixes at once ({prefixes:,} now)" if prefixes > 1 else ""
    remedy = f"lower {repeats}{Argument('length')} ({length:,}){fewer}"
    return MemoryRemedies("generating", remedy)
