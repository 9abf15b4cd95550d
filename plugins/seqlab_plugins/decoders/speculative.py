"""Speculative decoding: a small model proposes, the model of the run decides.

Shapes: B rows, N proposed tokens, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

import seqlab
from seqlab import (
    Advance,
    Continuation,
    Limits,
    SearchDecoder,
    Start,
    State,
    Tokenizer,
    hookimpl,
)
from seqlab_plugins.decoders.sampling import draw
from seqlab_plugins.decoders.speculation import (
    ACCEPTED,
    CORRECTED,
    PROPOSED,
    Decision,
    Draft,
    Proposal,
    Rows,
    Text,
)

WINDOW = 512  # tokens of a prefix that the draft reads at once


class Speculative:
    """Draw from the model, of which a smaller one proposes tokens: Leviathan et al., 2023.

    "Fast inference from transformers via speculative decoding", arXiv:2211.17192. The model reads
    all proposed tokens as one window, accepts each with a probability that makes up for the
    difference between the two models, and corrects the first that it does not accept. So the text
    has exactly the distribution of the model alone. It pays where reading a window takes about as
    long as reading one token; a text comes in one piece.

    Args:
        draft: the folder of the run that proposes; it has the same vocabulary. null: the model
            itself, which gains nothing.
        tokens: how many are proposed at a time.
        temperature: what the logits of both models are divided by; 0: always the most probable
            token, as `greedy` does.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        draft: Path | None = None,
        tokens: Annotated[int, Field(gt=0, le=1000)] = 4,
        temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0,
    ) -> None:
        self._draft = None if draft is None else _model_of(draft, tokenizer)
        self._tokens, self._temperature = tokens, temperature

    def search(
        self, advance: Advance, start: Start, limits: Limits
    ) -> Sequence[Sequence[Continuation]]:
        draft = _advancing(advance, start) if self._draft is None else _reading(self._draft, start)
        rows = Rows.of(start, draft)
        texts = [Text() for _ in rows.numbers]
        while rows.numbers:
            proposal = self._propose(rows, draft.step)
            decision = self._decide(rows, proposal)
            for number, ids, nats in decision.tokens():
                texts[number].extend(ids, nats, limits)
            going = [i for i, number in enumerate(rows.numbers) if not texts[number].ended]
            rows = decision.rows_after(going, draft.step)
        found = [Continuation(tuple(text.ids), tuple(text.nats)) for text in texts]
        return [found[i : i + start.num] for i in range(0, len(found), start.num)]

    def _propose(self, rows: Rows, step: Advance) -> Proposal:
        logits, state = rows.draft_logits, rows.draft_state
        ids, shares, states = list[Tensor](), list[Tensor](), [state]
        for index in range(self._tokens):
            shares.append(self._shares(logits))  # (B, V)
            ids.append(draw(shares[-1].log(), rows.chance(index, PROPOSED)))
            logits, state = step(ids[-1], state)
            states.append(state)
        return Proposal(torch.stack(ids, 1), torch.stack(shares, 1), states)

    def _decide(self, rows: Rows, proposal: Proposal) -> Decision:
        """Accept proposed tokens from the first on, and choose one more."""
        ids, drafted = proposal.ids, proposal.shares
        read, _, after = rows.start.read(ids, rows.start.state)
        logits = torch.cat((rows.start.logits[:, None], read), 1)  # (B, N + 1, V)
        shares = self._shares(logits)
        own, other = (part.gather(2, ids[..., None])[..., 0] for part in (shares[:, :-1], drafted))
        chance = torch.stack([rows.chance(i, ACCEPTED) for i in range(ids.shape[1])], 1)
        accepted = (chance * other < own).long().cumprod(1).sum(1)  # (B,)
        each = torch.arange(len(ids), device=ids.device)
        beside = torch.cat((drafted, torch.zeros_like(shares[:, :1])), 1)[each, accepted]
        left = (shares[each, accepted] - beside).clamp(min=0)  # what the draft gives too little
        left = torch.where(left.sum(-1, keepdim=True) > 0, left, shares[each, accepted])
        last = draw(left.log(), rows.chance(accepted, CORRECTED))
        return Decision(rows, proposal, accepted, last, logits, after)

    def _shares(self, logits: Tensor) -> Tensor:
        """Probabilities (…, V); without a temperature all is on the first of the largest."""
        if self._temperature == 0:
            return torch.zeros_like(logits, dtype=torch.float64).scatter_(
                -1, logits.argmax(-1, keepdim=True), 1.0
            )
        logits = logits.double()
        return ((logits - logits.amax(-1, keepdim=True)) / self._temperature).softmax(-1)


def _advancing(advance: Advance, start: Start) -> Draft:
    return Draft(advance, start.logits, start.state)


def _reading(model: Any, start: Start) -> Draft:
    """The draft after the prefixes, on the device of the model that decides."""
    model = model.to(start.logits.device)
    state: Any = None
    for window in torch.split(start.history, WINDOW, 1):  # which bounds the memory
        hidden, state = model.hidden(window, state)

    def step(ids: Tensor, state: State) -> tuple[Tensor, State]:
        outputs, after = model.hidden(ids[:, None], state)
        return model.head(outputs[:, 0]), after

    return Draft(step, model.head(hidden[:, -1]), state)


def _model_of(draft: Path, tokenizer: Tokenizer) -> Any:
    """The model of a run, in evaluation mode.

    Raises:
        ValueError: there is no such run, or it has another vocabulary.
    """
    try:
        run = seqlab.open_run(draft)
        problem = _difference(run.tokenizer, tokenizer)
        model = None if problem else run.model.eval()
    except seqlab.SeqlabError as error:
        raise ValueError(f"draft: {error}") from None
    if problem:
        raise ValueError(f"draft: {draft} has another vocabulary: {problem}")
    return model


def _difference(draft: Tokenizer, own: Tokenizer) -> str:
    """Say where two vocabularies differ; empty: nowhere."""
    if draft.size != own.size:
        return f"its size is {draft.size}, that of this model {own.size}"
    if draft.end_of_document != own.end_of_document:
        return f"its end of a document is {draft.end_of_document}, here {own.end_of_document}"
    ids = (i for i in range(own.size) if draft.token_bytes(i) != own.token_bytes(i))
    token = next(ids, None)
    if token is None:
        return ""
    return f"its token {token} is {draft.token_bytes(token)!r}, here {own.token_bytes(token)!r}"


@hookimpl
def seqlab_register_decoders() -> dict[str, type[SearchDecoder]]:
    return {"speculative": Speculative}
