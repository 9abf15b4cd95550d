"""Draw the pictures of README and docs: published perplexities beside ours, and what plot draws.

python -m benchmarks.pictures [--seeds 3] [--into docs/pictures]
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import seqlab
from benchmarks.reproduction import run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELLS = ("rnn", "gru")
PUBLISHED = {50: 10.66, 100: 1.309, 150: 1.070, 200: 1.035, 250: 1.021}
CURVES = {
    "jay_rnn_as_published": ("repeated: announces clipping, does not clip", "#1f77b4"),
    "jay_rnn": ("jay_rnn: gradients clipped at 0.01", "#d62728"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--into", type=Path, default=Path("docs/pictures"))
    options = parser.parse_args()
    curves = {name: _curves(name, options.seeds) for name in CURVES}
    options.into.mkdir(parents=True, exist_ok=True)
    _draw(curves, options.into / "jay_rnn.png")
    _plot_of_seeds(options.seeds, options.into / "plot.png")


def _curves(name: str, seeds: int) -> list[list[float]]:
    return [[row["perplexity"] for row in run(name, seed).metrics] for seed in range(seeds)]


def _draw(curves: dict[str, list[list[float]]], path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    figure = Figure(figsize=(8, 3.4), dpi=150, layout="constrained")
    axes = figure.subplots()
    for name, (label, colour) in CURVES.items():
        _band(axes, curves[name], label, colour)
    axes.plot(list(PUBLISHED), list(PUBLISHED.values()), "ko", label="published", zorder=3)
    axes.set(
        yscale="log", xlabel="epoch", ylabel="training perplexity", xlim=(0, 252), ylim=(0.95, 400)
    )
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Software": None})


def _plot_of_seeds(seeds: int, path: Path) -> None:
    """What `seqlab plot` draws of two cells with several seeds each."""
    with TemporaryDirectory() as root:
        for cell in CELLS:
            for seed in range(seeds):
                overrides = {"cell": cell, "train": {"epochs": 60, "seed": seed}, "samples": None}
                seqlab.run("experiments/jay_rnn.yaml", overrides=overrides, root=root)
        figure = seqlab.runs(root=root).plot(x="epoch", log="y")
        figure.savefig(path, dpi=110, metadata={"Software": None})


def _band(axes: Axes, seeds: list[list[float]], label: str, colour: str) -> None:
    """The median of the seeds in a band from the smallest to the largest."""
    by_epoch = list(zip(*seeds, strict=True))
    epochs = range(1, len(by_epoch) + 1)
    axes.plot(epochs, [statistics.median(values) for values in by_epoch], color=colour, label=label)
    low, high = ([pick(values) for values in by_epoch] for pick in (min, max))
    axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)


if __name__ == "__main__":
    main()
