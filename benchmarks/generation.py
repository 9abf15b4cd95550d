"""Characters a second of greedy generation, beside a textbook's loop: prints a table.

python -m benchmarks.generation [--rounds 15] [--length 500]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

import seqlab
from benchmarks.interleaved import interleave, summary, timed
from benchmarks.machine import describe
from benchmarks.plain_model import language_model
from seqlab.generation.generating import generate
from seqlab.model.language_model import LanguageModel

HIDDEN, CHARACTERS, TOGETHER = 256, 1027, 64
LETTERS = "".join(chr(0x4E00 + index) for index in range(CHARACTERS))  # as many as the lyrics have
PREFIX = LETTERS[:2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--length", type=int, default=500)
    options = parser.parse_args()
    own, model = _ours(options.length)
    peers = {"as described": _textbook(model, options.length, torch.enable_grad)}
    peers["without gradients"] = _textbook(model, options.length, torch.no_grad)
    for peer in peers.values():
        assert own([PREFIX])[0] == peer(), "the loops disagree"
    prefixes = [LETTERS[index : index + 2] for index in range(TOGETHER)]
    works = {"one row": lambda: own([PREFIX]), f"{TOGETHER} rows": lambda: own(prefixes), **peers}
    measures = [partial(timed, work, 1) for work in works.values()]
    times = dict(zip(works, interleave(measures, options.rounds), strict=True))
    print(
        f"{describe()}; RNN, hidden {HIDDEN}, {CHARACTERS:,} characters, {options.length} a row;"
        f" median (smallest – largest) of {options.rounds}\n"
    )
    print("| seqlab | characters/s | the textbook's loop | its characters/s | ratio |")
    print("|---|---|---|---|---|")
    for ours, rows in (("one row", 1), (f"{TOGETHER} rows", TOGETHER)):
        for name in peers:
            speed = [1e3 * rows * options.length / ms for ms in times[ours]]
            other = [1e3 * options.length / ms for ms in times[name]]
            ratios = [a / b for a, b in zip(speed, other, strict=True)]
            print(f"| {ours} | {_k(speed)} | {name} | {_k(other)} | {summary(ratios, 1)} × |")


def _ours(length: int) -> tuple[Callable[[list[str]], list[str]], LanguageModel]:
    registry = seqlab.load_plugins(local=False)
    rnn = registry.find("cell", "rnn").factory
    tokenizer = registry.find("tokenizer", "characters").factory()
    tokenizer.fit([LETTERS])
    decoder = registry.find("decoder", "greedy").factory()
    torch.manual_seed(0)
    model = language_model(CHARACTERS, lambda size: rnn(size, hidden_size=HIDDEN))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)  # so that it does not say the same for ever

    def texts(prefixes: list[str]) -> list[str]:
        results = generate(model, tokenizer, decoder, prefixes, length=length)
        return [result.text for result in results]

    return texts, model


def _textbook(
    model: LanguageModel, length: int, gradients: Callable[[], torch.no_grad | torch.enable_grad]
) -> Callable[[], str]:
    """One character after another: a one-hot, a list of them stacked, `nn.RNN`, argmax, item."""
    rnn, dense = nn.RNN(CHARACTERS, HIDDEN), nn.Linear(HIDDEN, CHARACTERS)
    fused = next(module for module in model.modules() if isinstance(module, nn.RNN))
    rnn.load_state_dict(fused.state_dict())
    dense.load_state_dict(model.head.state_dict())
    numbers = {letter: index for index, letter in enumerate(LETTERS)}

    def one_hot(ids: Tensor) -> Tensor:
        one_hot = torch.zeros(len(ids), CHARACTERS)
        return one_hot.scatter_(1, ids.view(-1, 1), 1)

    def text() -> str:
        chosen, state = [numbers[PREFIX[0]]], None
        for index in range(length + len(PREFIX) - 1):
            ids = torch.tensor([chosen[-1]]).view(1, 1)
            outputs, state = rnn(torch.stack([one_hot(column) for column in ids.T]), state)
            logits = dense(outputs.view(-1, HIDDEN))
            known = index + 1 < len(PREFIX)
            chosen.append(numbers[PREFIX[index + 1]] if known else int(logits.argmax(dim=1).item()))
        return "".join(LETTERS[number] for number in chosen)

    def timed() -> str:
        with gradients():
            return text()

    return timed


def _k(speeds: list[float]) -> str:
    return f"{statistics.median(speeds) / 1000:.1f} k"


if __name__ == "__main__":
    main()
