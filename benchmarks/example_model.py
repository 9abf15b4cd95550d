"""PyTorch's example `word_language_model`, written from its description: model, batches, loop.

Shapes: T steps, B rows, V vocabulary size, H hidden size, time first as there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

ROWS, WINDOW, SIZE, LAYERS, RATE, CLIP = 20, 35, 200, 2, 20.0, 0.25
State = tuple[Tensor, Tensor]


class Example(nn.Module):
    """Embedding, LSTM and linear layer, with dropout after the first two."""

    def __init__(self, vocabulary: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocabulary, SIZE)
        self.rnn = nn.LSTM(SIZE, SIZE, LAYERS, dropout=dropout)
        self.decoder = nn.Linear(SIZE, vocabulary)
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Return log probabilities, (T B, V), and the state."""
        outputs, state = self.rnn(self.drop(self.encoder(ids)), state)
        scores = self.decoder(self.drop(outputs)).view(-1, self.decoder.out_features)
        return nn.functional.log_softmax(scores, 1), state

    def beginning(self, rows: int) -> State:
        return torch.zeros(LAYERS, rows, SIZE), torch.zeros(LAYERS, rows, SIZE)

    def take(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of a run of seqlab."""
        own = {"encoder.weight": "embedding.weight"}
        own |= {f"decoder.{kind}": f"head.{kind}" for kind in ("weight", "bias")}
        for layer in range(LAYERS):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                own[f"rnn.{kind}_l{layer}"] = f"layers.0.cell.layers.{layer}.{kind}_l0"
        self.load_state_dict({name: weights[other] for name, other in own.items()})


def columns(ids: Tensor, rows: int) -> Tensor:
    """Cut ids into rows that stand beside each other: (steps, B)."""
    return ids[: len(ids) // rows * rows].view(rows, -1).t().contiguous()


def epochs(model: Example, data: Tensor, rate: float = RATE) -> Iterator[float]:
    """Train without end, and give the loss of each step; an epoch begins with a state of zeros."""
    criterion = nn.NLLLoss()
    while True:
        model.train()
        state = model.beginning(data.shape[1])
        for inputs, targets in windows(data):
            model.zero_grad()
            output, state = model(inputs, (state[0].detach(), state[1].detach()))
            loss = criterion(output, targets.reshape(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            for parameter in model.parameters():
                assert parameter.grad is not None
                parameter.data.add_(parameter.grad, alpha=-rate)
            yield loss.item()


def windows(data: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and targets, (T, B) each; the last window may be shorter."""
    for start in range(0, len(data) - 1, WINDOW):
        length = min(WINDOW, len(data) - 1 - start)
        yield data[start : start + length], data[start + 1 : start + 1 + length]


@torch.no_grad()
def held_out_loss(model: Example, data: Tensor) -> float:
    """The mean loss of a target."""
    model.eval()
    state, total, count = model.beginning(data.shape[1]), 0.0, 0
    for inputs, targets in windows(data):
        output, state = model(inputs, state)
        total += float(nn.functional.nll_loss(output, targets.reshape(-1), reduction="sum"))
        count += targets.numel()
    return total / count
