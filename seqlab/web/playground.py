"""What the playground asks a model for: a continuation, surprisals, candidates, hidden states."""

from __future__ import annotations

import codecs
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from seqlab.errors import UsageError
from seqlab.printable import cell
from seqlab.web.forms import values_of
from seqlab.web.models import check_files

if TYPE_CHECKING:
    from torch import Tensor

    from seqlab.contracts import Decoder, SearchDecoder
    from seqlab.generation.request import Request
    from seqlab.generation.watched import Choice
    from seqlab.registry import Registry
    from seqlab.runs.loaded_run import Run

T = TypeVar("T")
CANDIDATES = 10
HEADS = ("token", "model", "left by the decoder")
MOST_UNITS, MOST_TOKENS = 512, 2_000


class Ask(BaseModel):
    """What a page may ask for.

    `options` are fields of a decoder's form, `at` is the place of a token, `part` one of hidden
    states.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    run: str
    checkpoint: str = Field("latest", max_length=20)
    text: str = Field("", max_length=100_000)
    length: int = Field(100, ge=1, le=MOST_TOKENS)
    seed: int = Field(0, ge=0, lt=2**63)
    decoder: str = ""
    options: dict[str, str] = {}
    is_scored: bool = False
    at: int = Field(0, ge=0)
    part: str = "outputs"


class Shown(NamedTuple):
    """A token as it is shown: its characters are shown with the token that completes them."""

    id: int
    text: str
    nats: float | None = None


@dataclass(frozen=True)
class Playground:
    """One thing that is asked for.

    Args:
        run: with its model.
        registry: all decoders.
        ask: what is asked for.
        put: sends an event; raises what ends the work if nobody listens any more.
        computing: is held while a model computes, so that two of them take turns.
    """

    run: Run
    registry: Registry
    ask: Ask
    put: Callable[[str, Any], None]
    computing: AbstractContextManager[Any]

    def generate(self) -> None:
        """Send the tokens of a continuation as they are chosen."""
        from seqlab.generation.watched import watched_tokens

        with self.computing:
            decoder, request = self._request()
        (prefix,) = request.prefixes
        text = _Text(self.run)
        given = [Shown(token, text.add(token)) for token in prefix.ids]
        self.put("began", {"note": f"step {self.run.checkpoint.step} …"})
        self.put("tokens", {"tokens": _plain(given), "given": True})
        begun, nats, count = time.monotonic(), 0.0, 0
        for token in self._in_turns(watched_tokens(request, decoder)):
            nats, count = nats + token.surprisal, count + 1
            shown = Shown(token.id, text.add(token.id), token.surprisal)
            self.put("tokens", {"tokens": _plain([shown])})
        seconds = time.monotonic() - begun
        speed = f"{count / max(seconds, 1e-9):.0f} tokens/s"
        self.put("ended", {"note": self._note(nats, count, speed)})

    def score(self) -> None:
        """Send the tokens of a text with their surprisals."""
        from seqlab.generation.scoring import Totals, score_tokens

        text, totals = _Text(self.run), Totals(self.run.tokenizer)
        waiting: list[Shown] = []
        scored = score_tokens(self.run.model, self.run.tokenizer, [self.ask.text])
        for token in self._in_turns(scored):
            totals.add(token)
            waiting.append(Shown(token.id, text.add(token.id), token.surprisal))
            if len(waiting) == 64:
                self.put("tokens", {"tokens": _plain(waiting)})
                waiting = []
        totals.check()
        self.put("tokens", {"tokens": _plain(waiting)})
        bits = totals.bits_per_character
        more = "" if bits is None else f"{bits:.3f} bits per character"
        self.put("ended", {"note": self._note(totals.nats, totals.scored, more)})

    def candidates(self) -> None:
        """Send the likeliest tokens at one place, with what the decoder left of each."""
        with self.computing:
            choice, chosen = self._choice()
            self.put("candidates", _candidates(self.run, choice, chosen))

    def hidden(self) -> None:
        """Send what a part of the model holds after each token of a text."""
        from seqlab.generation.hidden import hidden_states

        with self.computing:
            ids = self._ids(self._all_tokens())
            found = hidden_states(self.run.model, ids, self.ask.part, self._check)
        values = found.values[:, :MOST_UNITS].tolist()
        rounded = [[round(value, 3) for value in row] for row in values]
        units = found.values.shape[1]
        note = f"{len(rounded[0])} of {units} units after each of {len(rounded)} tokens"
        self.put("hidden", {"parts": found.parts, "note": note, "values": rounded})

    def _note(self, nats: float, count: int, *more: str) -> str:
        """What is said of a text that is whole."""
        step, loss = self.run.checkpoint.step, nats / count if count else math.inf
        perplexity = f"perplexity {math.exp(loss):.3f}" if loss < 700 else ""
        return ", ".join(filter(None, (f"step {step}: {count} tokens", perplexity, *more)))

    def _check(self) -> None:
        """Raise what ends the work if nobody listens any more."""
        self.put("", None)

    def _in_turns(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items; what computes the next one holds `computing` meanwhile."""
        iterator = iter(items)
        while True:
            self._check()
            with self.computing:
                item = next(iterator, None)
            if item is None:
                return
            yield item

    def _decoder(self) -> Decoder | SearchDecoder:
        """The decoder that is asked for; "" is the run's own."""
        from seqlab.experiment.yaml12 import dump_flow

        if not self.ask.decoder:
            return self.run.decoder
        try:
            component = self.registry.find("decoder", self.ask.decoder)
        except LookupError as error:
            raise UsageError(str(error)) from None
        section = {"name": component.name, **values_of(component, self.ask.options)}
        bound = self.run.resolved_with([f"decoder={dump_flow(section)}"]).decoder
        check_files(bound)
        decoder: Decoder | SearchDecoder = bound.build(tokenizer=self.run.tokenizer)
        return decoder

    def _request(self) -> tuple[Any, Request]:
        from seqlab.generation.request import Request
        from seqlab.generation.stops import stop_tokens_of
        from seqlab.generation.watched import watch

        decoder, run = watch(self._decoder(), self._check), self.run
        request = Request.of(
            run.model,
            run.tokenizer,
            decoder,
            [self.ask.text],
            length=self.ask.length,
            seed=self.ask.seed,
            stop_tokens=stop_tokens_of(run.tokenizer, None),
        )
        return decoder, request

    def _all_tokens(self) -> list[int]:
        """The ids of the text, and of what continues it unless it is scored."""
        from seqlab.generation.watched import watched_tokens

        if self.ask.is_scored:
            return [int(token) for token in self.run.tokenizer.encode(self.ask.text)]
        decoder, request = self._request()
        found = [token.id for token in watched_tokens(request, decoder)]
        return [*request.prefixes[0].ids, *found]

    def _ids(self, tokens: list[int]) -> Tensor:
        import torch

        if not tokens:
            raise UsageError("the text has no token")
        return torch.tensor(tokens[:MOST_TOKENS], device=self.run.model.device)

    def _choice(self) -> tuple[Choice, int]:
        """What the token at a place was chosen from, and that token."""
        from seqlab.generation.watched import WatchedDecoder, choice_at, watched_tokens

        at = self.ask.at
        if self.ask.is_scored:
            tokens, decoder = self._all_tokens(), self._decoder()
        else:
            watched, request = self._request()
            tokens = [*request.prefixes[0].ids]
            for token in watched_tokens(request, watched):
                tokens.append(token.id)
                if len(tokens) == at + 1 and isinstance(watched, WatchedDecoder) and watched.seen:
                    return watched.seen, token.id
            decoder = self._decoder()
        if not 0 < at < len(tokens):
            raise UsageError("nothing comes before this token: there is nothing to choose from")
        chooses = None if hasattr(decoder, "search") else decoder
        ids = self._ids(tokens[:at])
        return choice_at(self.run.model, chooses, ids, self._check), tokens[at]


class _Text:
    """Bytes of tokens -> whole characters."""

    def __init__(self, run: Run) -> None:
        self._bytes = run.tokenizer.token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: int) -> str:
        return self._decoder.decode(self._bytes(token))


def _plain(tokens: Iterable[Shown]) -> list[dict[str, Any]]:
    return [
        {"text": text, "nats": nats, "title": "" if nats is None else f"{nats:.3f} nats"}
        for _, text, nats in tokens
    ]


def _candidates(run: Run, choice: Choice, chosen: int) -> dict[str, Any]:
    """A table of tokens, and which of its lines is the one that was chosen."""
    import torch

    with torch.inference_mode():
        shares = choice.probabilities()
        left = choice.left() if choice.decides else None
        best = shares.topk(min(CANDIDATES, len(shares))).indices.tolist()
    tokens = [*best, *([] if chosen in best else [chosen])]
    lines = [
        (
            _visible(run.tokenizer.token_bytes(token)),
            _percent(shares[token]),
            None if left is None else _percent(left[token]),
        )
        for token in tokens
    ]
    return {"heads": HEADS, "lines": lines, "chosen": tokens.index(chosen)}


def _visible(data: bytes) -> str:
    """A token in a table: spaces at its ends are seen, too."""
    text = cell(data.decode("utf-8", "replace"))
    before, after = len(text) - len(text.lstrip(" ")), len(text) - len(text.rstrip(" "))
    return "␣" * len(text) if text.isspace() else "␣" * before + text.strip(" ") + "␣" * after


def _percent(share: Any) -> str:
    return f"{100 * float(share):.2f} %"
