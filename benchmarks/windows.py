"""A window of each cell of matrix memories at once, against its own steps; and twice as long.

python -m benchmarks.windows [--rounds N]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from benchmarks.interleaved import here, interleave, ratio, summary, timed
from benchmarks.machine import describe
from seqlab import load_plugins

CELLS: dict[str, dict[str, Any]] = {
    "gated_linear_attention": {"key_size": 32},
    "hgrn2": {"key_size": 32},
    "retention": {"key_size": 32},
    "mamba2": {"expansion": 1, "state_size": 32},
    "mlstm": {"key_size": 32},
    "delta_net": {"key_size": 32},
    "gated_delta_net": {"key_size": 32},
    "rwkv7": {},
}
ROWS, WINDOW, HEADS, SIZE = 8, 512, 4, 128
BAR = 8.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.windows", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    options = parser.parse_args()
    print(f"{describe()}; {ROWS} rows, {HEADS} heads of {SIZE // HEADS}; forward and backward\n")
    print(f"| cell | ms, a window of {WINDOW} | its steps are | a window of {2 * WINDOW} is |")
    print("|---|---|---|---|")
    for name in CELLS:
        print(f"| `{name}` | {' | '.join(_row(name, options.rounds))} |", flush=True)


def _row(name: str, rounds: int) -> Iterator[str]:
    cell = _cell(name)
    whole, longer = (here(partial(_trained, cell, _inputs(n))) for n in (WINDOW, 2 * WINDOW))
    steps: Callable[[], float] = partial(timed, partial(_stepped, cell, _inputs(WINDOW)), 1)
    window, stepped, twice = interleave([whole, steps, longer], rounds)
    yield summary(window)
    yield f"{ratio(stepped, window)} × as slow"
    yield f"{ratio(twice, window)} × as slow"


def _cell(name: str) -> Any:
    torch.manual_seed(0)
    return (
        load_plugins()
        .find("cell", name)
        .factory(SIZE, hidden_size=SIZE, heads=HEADS, **CELLS[name])
    )


def _inputs(window: int) -> torch.Tensor:
    return torch.randn(ROWS, window, SIZE, requires_grad=True)


def _trained(cell: Any, inputs: torch.Tensor) -> None:
    cell(inputs, None)[0].sum().backward()


def _stepped(cell: Any, inputs: torch.Tensor) -> None:
    state, outputs = None, []
    for step in torch.split(inputs, 1, 1):
        output, state = cell(step, state)
        outputs.append(output)
    total: Any = torch.cat(outputs, 1).sum()
    total.backward()


if __name__ == "__main__":
    main()
