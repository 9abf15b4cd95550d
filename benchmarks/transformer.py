"""A peer: a small GPT trained on Tiny Shakespeare as nanoGPT's page describes it for a CPU.

Written here from that description (karpathy/nanoGPT, "I only have a macbook"): 4 layers, 4 heads,
width 128, context 64, batch 12, 2,000 iterations, no dropout, no biases; AdamW with betas 0.9 and
0.99, weight decay 0.1 on matrices, a rate that rises to 1e-3 in 100 iterations and falls to 1e-4 by
a cosine, gradients clipped at 1.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.interleaved import wait

LAYERS, HEADS, WIDTH, CONTEXT, BATCH = 4, 4, 128, 64, 12
STEPS, WARMUP, HIGHEST, LOWEST = 2000, 100, 1e-3, 1e-4


@dataclass(frozen=True)
class Result:
    """`loss` over the whole held-out part, in nats; `seconds` of training alone."""

    loss: float
    seconds: float


def train_and_score(
    train: Tensor, valid: Tensor, vocabulary: int, seed: int, device: str = "cpu"
) -> Result:
    """Train on ids (N,) and score others; what scoring takes is not counted."""
    torch.manual_seed(seed)
    model = GPT(vocabulary).to(device)
    optimizer = _optimizer(model)
    begun = time.perf_counter()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _rate(step)
        starts = torch.randint(len(train) - CONTEXT - 1, (BATCH,))
        windows = torch.stack([train[start : start + CONTEXT + 1] for start in starts])
        loss = _loss(model, windows.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    wait()
    seconds = time.perf_counter() - begun
    return Result(score(model, valid.to(device)), seconds)


@torch.inference_mode()
def score(model: GPT, ids: Tensor) -> float:
    """Mean nats of all targets, in windows of the context that follow one another."""
    total = 0.0
    whole = (len(ids) - 1) // CONTEXT * CONTEXT
    windows = ids[: whole + 1].unfold(0, CONTEXT + 1, CONTEXT)
    for some in torch.split(windows, 256):
        total += float(_loss(model, some)) * some[:, 1:].numel()
    rest = ids[whole:]
    if len(rest) > 1:
        total += float(_loss(model, rest.unsqueeze(0))) * (len(rest) - 1)
    return total / (len(ids) - 1)


def _loss(model: GPT, windows: Tensor) -> Tensor:
    logits = model(windows[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())


def _rate(step: int) -> float:
    if step < WARMUP:
        return HIGHEST * (step + 1) / (WARMUP + 1)
    done = (step - WARMUP) / (STEPS - WARMUP)
    return LOWEST + 0.5 * (1 + math.cos(math.pi * done)) * (HIGHEST - LOWEST)


def _optimizer(model: GPT) -> torch.optim.Optimizer:
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=HIGHEST, betas=(0.9, 0.99))


class GPT(nn.Module):
    """Ids (B, T) -> logits (B, T, V)."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, WIDTH)
        self.places = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                last = name.endswith(("mix.weight", "contract.weight"))
                nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * LAYERS) if last else 1))

    def forward(self, ids: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        hidden = self.blocks(self.tokens(ids) + self.places(places))
        return functional.linear(self.norm(hidden), self.tokens.weight)


class Block(nn.Module):
    """Attention, then a layer four times as wide, each normed before and added after."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.LayerNorm(WIDTH, bias=False)
        self.project = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.mix = nn.Linear(WIDTH, WIDTH, bias=False)
        self.between = nn.LayerNorm(WIDTH, bias=False)
        self.expand = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.contract = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self._attend(self.before(hidden))
        added: Tensor = self.contract(functional.gelu(self.expand(self.between(hidden))))
        return hidden + added

    def _attend(self, inputs: Tensor) -> Tensor:
        parts = self.project(inputs).unflatten(-1, (3, HEADS, -1))  # (B, T, 3, N, K)
        query, key, value = (part.transpose(1, 2) for part in parts.unbind(2))
        read = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        mixed: Tensor = self.mix(read.transpose(1, 2).flatten(2))
        return mixed
