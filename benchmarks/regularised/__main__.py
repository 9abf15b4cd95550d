"""AWD-LSTM against a plain LSTM with ordinary dropout, 2 x 200, each chosen by a sweep.

python -m benchmarks.regularised [TEXT] [--root runs]

TEXT is a file of words and spaces; its last tenth is held out. Eight trials each, of 7 epochs; the
best of each with three seeds, 22 epochs; the better recipe without one of its parts at a time, 15
epochs. An epoch takes 40 s of one core here, so these are 5, 15 and 10 minutes. With seeds, methods
that go on learning while they are evaluated stand beside the static number, for one stream and for
ten. What has been run is kept in rows.json, and not run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import seqlab
from benchmarks.interleaved import summary
from benchmarks.machine import describe
from benchmarks.reliability.small import quietly
from benchmarks.words import add_text
from seqlab.experiment.located import Origin, plain
from seqlab.experiment.yaml12 import load_yaml

HERE = Path(__file__).resolve().parent
ROWS = HERE / "rows.json"
RECIPES = ("plain", "awd")
SEEDS, EPOCHS, PART_EPOCHS, BAR = (1, 2, 3), 22, 15, 0.85
PLAIN_STEPS: dict[str, Any] = {
    "optimizer": {"name": "sgd", "lr": 20.0, "clip_norm": 0.25},
    "schedule": {"name": "plateau", "factor": 0.25, "patience": 0, "threshold": 0},
}
WITHOUT: dict[str, dict[str, Any]] = {
    "nothing": {},
    "weight drop": {f"cell.layers.{layer}.share": 0.0 for layer in (0, 1)},
    "locked masks": {"cell.locked": False, "model.dropout.locked": False},
    "dropout between layers": {"cell.dropout": 0.0},
    "dropout of embedding and outputs": {
        "model.dropout.embedding": 0.0,
        "model.dropout.outputs": 0.0,
    },
    "word dropout": {"model.embedding.word_dropout": 0.0},
    "penalties of activations": {"objective.activation": 0.0, "objective.temporal_activation": 0.0},
    "random lengths": {
        "sampler": {"name": "consecutive", "batch_size": 20, "window": 35, "partial": "keep"}
    },
    "averaging": PLAIN_STEPS,
    "tied weights": {"model.tie_weights": False},
}
METHODS: dict[str, dict[str, Any]] = {  # by the columns that they have
    "dynamic": {"name": "dynamic", "lr": 0.03},
    "dynamic_2": {"name": "dynamic", "form": "rms", "lr": 1e-4},
    # the settings of the authors of AWD-LSTM for Penn Treebank
    "neural_cache": {"name": "neural_cache", "size": 500, "share": 0.1279, "flatness": 1.0},
    "kn_interpolated": {"name": "kn_interpolated"},
}
STREAMS = (1, 10)
Job = tuple[str, dict[str, Any], dict[str, Any]]  # a key of the rows, an experiment, overrides


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regularised")
    add_text(parser)
    parser.add_argument("--root", type=Path, default=Path("runs"))
    options = parser.parse_args()
    print(f"{describe()}; {options.text.name}; one thread a run\n")
    for recipe in RECIPES:
        _search(recipe, options.text, options.root)
    rows = _kept()
    best = {recipe: rows[f"search {recipe}"]["settings"] for recipe in RECIPES}
    where = {"corpus.path": str(options.text)}
    jobs: list[Job] = [
        (f"{recipe} seed {seed}", best[recipe], {"train.epochs": EPOCHS, "train.seed": seed})
        for seed in SEEDS
        for recipe in RECIPES
    ]
    jobs += [
        (f"awd without {part}", best["awd"], {"train.epochs": PART_EPOCHS, **changes})
        for part, changes in WITHOUT.items()
    ]
    for line in _told(_run_all([(name, of, changes | where) for name, of, changes in jobs])):
        print(line)


def _kept() -> dict[str, Any]:
    return json.loads(ROWS.read_text("utf-8")) if ROWS.exists() else {}


def _keep(name: str, row: dict[str, Any]) -> None:
    text = json.dumps(_kept() | {name: row}, indent=1, sort_keys=True, ensure_ascii=False)
    ROWS.write_text(f"{text}\n", "utf-8")


def _search(recipe: str, text: Path, root: Path) -> None:
    """Run the eight trials of a recipe, and keep the settings of the best one."""
    if f"search {recipe}" in _kept():
        return
    file, changes = HERE / f"search_{recipe}.yaml", {"corpus.path": str(text)}
    folder = seqlab.sweep(file, overrides=changes, root=root).path
    runs = [seqlab.open_run(path) for path in sorted(folder.glob("trial-*"))]
    best = min(runs, key=lambda run: min(_curve(run)))
    resolved = best.path / "resolved.yaml"
    settings = plain(load_yaml(resolved.read_text("utf-8"), Origin(str(resolved))))
    settings["corpus"]["path"] = text.name  # rows say nothing of where it lies
    _keep(
        f"search {recipe}",
        {
            "perplexities": [min(_curve(run)) for run in runs],
            "best": best.path.name,
            "settings": settings,
        },
    )


def _curve(run: seqlab.Run) -> list[float]:
    """The held-out perplexity of each epoch."""
    return [row["perplexity"] for row in run.metrics if row["split"] == "valid"]


def _run_all(jobs: list[Job]) -> dict[str, Any]:
    """Run what has no row yet, two at a time; return the rows."""
    missing = [job for job in jobs if job[0] not in _kept()]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for name, row in pool.map(_run, missing):
            _keep(name, row)
            print(f"{name}: {min(row['curve']):.2f}", flush=True)
    return _kept()


def _run(job: Job) -> tuple[str, dict[str, Any]]:
    name, settings, changes = job
    with TemporaryDirectory() as folder, quietly():
        run = seqlab.run(settings, overrides=changes, root=folder)
        row: dict[str, Any] = {"curve": _curve(run)}
        if "seed" in name:
            again = partial(_by_methods, settings, changes, run)
            row["methods"] = {str(streams): again(streams) for streams in STREAMS}
    return name, row


def _by_methods(
    settings: dict[str, Any], changes: dict[str, Any], run: seqlab.Run, streams: int
) -> dict[str, float]:
    """Held-out perplexities of one evaluation, after a step that leaves the run's weights alone."""
    again: dict[str, Any] = {"train.epochs": None, "train.steps": 1}
    again |= {"train.init_from": str(run.path), "optimizer.lr": 1e-30}
    evaluation = {"rows": streams, "window": 35, "methods": [*METHODS.values()]}
    overrides = changes | again | {"evaluation": evaluation}
    row = seqlab.run(settings, overrides=overrides, root=run.path.parent).metrics[-1]
    return {name: value for name, value in row.items() if name.endswith("perplexity")}


def _told(rows: dict[str, Any]) -> Iterator[str]:
    """The tables of what was run."""
    yield f"\n| recipe | best of 8 trials | {len(SEEDS)} seeds, {EPOCHS} epochs |\n|---|---|---|"
    found = {}
    for recipe in RECIPES:
        found[recipe] = [min(rows[f"{recipe} seed {seed}"]["curve"]) for seed in SEEDS]
        trials = min(rows[f"search {recipe}"]["perplexities"])
        yield f"| `{recipe}` | {trials:.1f} | {summary(found[recipe], 1)} |"
    ratio = statistics.median(found["awd"]) / statistics.median(found["plain"])
    yield f"\nThe ratio of the medians is {ratio:.3f}; at most {BAR} was asked for.\n"
    yield (
        "| recipe: static evaluation | streams | "
        + " | ".join(f"`{name}`" for name in METHODS)
        + " |"
    )
    yield "|---" * (2 + len(METHODS)) + "|"
    for recipe, streams in product(RECIPES, map(str, STREAMS)):
        all_seeds = [rows[f"{recipe} seed {seed}"]["methods"][streams] for seed in SEEDS]
        cells = [summary([each["perplexity"] for each in all_seeds], 1), streams]
        cells += [
            summary([each[f"{name}_perplexity"] for each in all_seeds], 1) for name in METHODS
        ]
        yield f"| `{recipe}`: {' | '.join(cells)} |"
    yield f"\n| `awd` without | held-out perplexity, {PART_EPOCHS} epochs, one seed |\n|---|---|"
    for part in WITHOUT:
        yield f"| {part} | {min(rows[f'awd without {part}']['curve']):.1f} |"


if __name__ == "__main__":
    main()
