"""Characters to ids, and to a vocabulary: how much faster than the textbook's way.

python -m benchmarks.encoding [--megabytes 200] [--rounds 5]

The text is Chinese and English in turn, in pieces of a mebibyte of characters, as the core gives
them. Both ways are timed in one process, on one thread, in turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from seqlab_plugins.tokenizers.basic import Characters

from benchmarks.interleaved import summary
from benchmarks.machine import describe

PIECE = 1 << 20  # characters
GROUP = 16  # pieces that one way does before it is the other's turn
Way: TypeAlias = Callable[[list[str]], Any]
SONGS = Path(__file__).resolve().parents[1] / "data" / "original_lyrics.txt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    pieces = list(islice(_pieces(), -(-given.megabytes * 1_000_000 // _size(next(_pieces())))))
    megabytes = sum(map(_size, pieces)) / 1e6
    tokenizer = Characters()
    tokenizer.fit([pieces])
    index = {chr(code): token for token, code in enumerate(tokenizer.state_dict()["characters"])}
    groups = [pieces[start : start + GROUP] for start in range(0, len(pieces), GROUP)]
    ways: list[tuple[str, Way, Way]] = [
        ("`encode`", _each(tokenizer.encode), _each(lambda text: [index[c] for c in text])),
        ("`fit`", lambda group: Characters().fit([group]), _distinct),
    ]
    assert tokenizer.encode(pieces[0]).tolist() == [index[c] for c in pieces[0]]
    print(describe())
    print(f"{megabytes:.0f} MB of UTF-8, {tokenizer.size:,} distinct characters;")
    print(f"{given.rounds} rounds: median (smallest – largest)\n")
    print("| | MB/s | the plain way | faster |\n|---|---|---|---|")
    for name, ours, plain in ways:
        rounds = [_round(ours, plain, groups) for _ in range(given.rounds)]
        speeds = [summary([megabytes / one[way] for one in rounds], 0) for way in (0, 1)]
        faster = summary([other / own for own, other in rounds], 1)
        print(f"| {name} | {' | '.join(speeds)} | {faster} × |", flush=True)


def _pieces() -> Iterator[str]:
    """Lines of songs and of English, drawn anew for each piece; no two pieces are the same."""
    chinese = SONGS.read_text("utf-8").splitlines()
    rare = [chr(code) for code in range(0x4E00, 0x9FA5)]
    english = [line for line in _english().splitlines() if line]
    generator = np.random.default_rng(0)
    while True:
        lines: list[str] = []
        length = 0
        while length < PIECE:
            song = chinese[generator.integers(len(chinese))] + rare[generator.integers(len(rare))]
            lines += song, english[generator.integers(len(english))]
            length += len(lines[-1]) + len(lines[-2]) + 2
        yield "\n".join(lines)[:PIECE]


def _english() -> str:
    """The pages of this project."""
    docs = Path(__file__).resolve().parents[1] / "docs"
    return "\n".join(path.read_text("utf-8") for path in sorted(docs.rglob("*.md")))


def _each(way: Callable[[str], Any]) -> Way:
    """Do one text after another, and keep nothing."""

    def each(texts: list[str]) -> None:
        for text in texts:
            way(text)

    return each


def _distinct(pieces: list[str]) -> dict[str, None]:
    seen: dict[str, None] = {}
    for text in pieces:
        seen.update(dict.fromkeys(text))
    return seen


def _round(ours: Way, plain: Way, groups: list[list[str]]) -> tuple[float, float]:
    """Seconds that each way takes for all groups, which they do in turn."""
    seconds = [0.0, 0.0]
    for group in groups:
        for number, way in enumerate((ours, plain)):
            start = time.perf_counter()
            way(group)
            seconds[number] += time.perf_counter() - start
    return seconds[0], seconds[1]


def _size(piece: str) -> int:
    return len(piece.encode())


if __name__ == "__main__":
    main()
