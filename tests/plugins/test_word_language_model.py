"""`experiments/classics/word_language_model.yaml` is the loop of PyTorch's example."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import seqlab

FILE = Path(__file__).resolve().parents[2] / "experiments" / "classics" / "word_language_model.yaml"
STEPS, ROWS, WINDOW, SIZE, RATE, CLIP = 10, 20, 35, 200, 20.0, 0.25


class Losses:
    """Keeps the loss of each step."""

    step_interval = 1

    def seqlab_step_ended(self, record) -> None:
        SEEN.append(record.loss)


SEEN: list[float] = []


@pytest.fixture
def text(tmp_path):
    """Some thousand words of different frequency, in lines."""
    chance = random.Random(0)  # noqa: S311 # nobody is to be kept from guessing it
    words = [f"w{number}" for number in range(3000)]
    shares = [1 / (1 + number) for number in range(3000)]
    lines = (" ".join(chance.choices(words, shares, k=30)) for _ in range(1300))
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{line}\n" for line in lines) + "and some words more\n")
    return path


def reference(weights, ids, vocabulary) -> list[float]:
    """The example's model and loop: its `batchify`, `get_batch`, `repackage_hidden` and `train`."""
    embedding, head = nn.Embedding(vocabulary, SIZE), nn.Linear(SIZE, vocabulary)
    lstm = nn.LSTM(SIZE, SIZE, 2)
    parameters = [*embedding.parameters(), *lstm.parameters(), *head.parameters()]
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    names = [f"{kind}_l{layer}" for layer in (0, 1) for kind in kinds]
    embedding.weight.data = weights["embedding.weight"].clone()
    for name in names:
        layer = name[-1]
        getattr(lstm, name).data = weights[f"layers.0.cell.layers.{layer}.{name[:-1]}0"].clone()
    head.weight.data, head.bias.data = weights["head.weight"].clone(), weights["head.bias"].clone()
    data = ids[: len(ids) // ROWS * ROWS].view(ROWS, -1).t()
    hidden, losses = None, []
    for start in range(0, STEPS * WINDOW, WINDOW):
        inputs, targets = data[start : start + WINDOW], data[start + 1 : start + 1 + WINDOW]
        outputs, hidden = lstm(embedding(inputs), hidden)
        loss = nn.functional.cross_entropy(head(outputs).flatten(0, 1), targets.flatten())
        gradients = torch.autograd.grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(parameters, CLIP)
        for parameter in parameters:
            parameter.data.add_(parameter.grad, alpha=-RATE)
        hidden = tuple(part.detach() for part in hidden)
        losses.append(float(loss.detach()))
    return losses


def test_the_first_ten_losses_are_those_of_the_example(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SEEN.clear()
    settings = {
        "corpus": {"name": "text", "path": str(text)},
        "evaluation.split": "train",
        "model.dropout": 0,
        "cell.dropout": 0,
        "observers": ["losses"],
        "train": {"epochs": None, "steps": 1},
        "optimizer.lr": 1e-30,  # so that the weights stay those of the beginning
    }
    plugins = [{"observers": {"losses": Losses}}]
    first = seqlab.run(FILE, overrides=settings | {"observers": []}, run_dir="first")
    run = seqlab.run(
        FILE,
        overrides=settings
        | {"train.steps": STEPS, "optimizer.lr": RATE, "train.init_from": "first"},
        run_dir="run",
        plugins=plugins,
    )
    weights = load_file(next(first.path.glob("checkpoints/*/model.safetensors")))
    ids = torch.tensor(run.tokenizer.encode(text.read_text()), dtype=torch.long)
    wanted = reference(weights, ids, run.tokenizer.size)
    assert len(SEEN) == STEPS
    torch.testing.assert_close(torch.tensor(SEEN), torch.tensor(wanted), rtol=1e-5, atol=0)
