"""A model card: what a model is, what it was trained on, and how good it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from seqlab import TrainedRun
from seqlab.experiment.yaml12 import dump_flow, dump_yaml
from seqlab.printable import cell

_MEASURES = ("loss", "perplexity", "bits_per_character", "bits_per_byte", "accuracy")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")

CARD = """\
---
library_name: seqlab
pipeline_tag: text-generation
license: {license}
tags: {tags}
---

# {name}

A language model that was trained with seqlab {version}.{doubt}

## Use

{use}

## Model

{model}

## Data

{data}

## Results

{results}

## Experiment

```yaml
{experiment}```
"""


def model_card(run: TrainedRun, license_name: str, use: str) -> str:
    """Return the README.md of a model, in Markdown with the front matter of model hubs.

    Args:
        run: the model.
        license_name: of its weights.
        use: how the files beside it are used, in Markdown.
    """
    description = run.description
    doubt = description.get("doubt")
    return CARD.format(
        license=dump_flow(license_name),
        tags=dump_flow(["seqlab", str(run.experiment["cell"]["name"])]),
        name=_escaped(run.name),
        version=_escaped(description["versions"]["seqlab"]),
        doubt=f"\n\n**There is a doubt: {_escaped(doubt)}**" if doubt else "",
        use=use,
        model=_table(("", "value"), _model(run)),
        data=_table(("", "value"), _data(run)),
        results=_results(run),
        experiment=_code(dump_yaml(dict(run.experiment))),
    )


def _model(run: TrainedRun) -> Iterator[tuple[str, Any]]:
    description, experiment = run.description, run.experiment
    yield "cell", experiment["cell"]["name"]
    yield "layers", experiment["model"]["layers"]
    yield "parameters", f"{description['parameters']:,}"
    yield "tokenizer", f"{experiment['tokenizer']['name']}, {run.tokenizer.size:,} tokens"
    yield "step", f"{run.step:,} of {description['total_steps']:,}"
    yield "status of the run", description["status"]
    yield "seed", description["seed"]
    yield "torch", description["versions"]["torch"]
    for plugin in description["plugins"]:
        origin = f"{plugin['distribution']} {plugin['version']}"
        yield f"plugin {plugin['name']}", origin if plugin["distribution"] else "a file"


def _data(run: TrainedRun) -> Iterator[tuple[str, Any]]:
    corpus = run.description["corpus"]
    yield "corpus", corpus["name"]
    if corpus.get("stand_in"):
        yield "in place of", corpus["asked_for"]
    yield "tokens of training", f"{corpus['tokens']:,}"
    yield "fingerprint", corpus["fingerprint"]
    yield "licence of the text", "unknown"


def _results(run: TrainedRun) -> str:
    """The last numbers of each split, those that were measured."""
    measures = [m for m in _MEASURES if any(row.get(m) is not None for row in run.results.values())]
    if not measures:
        return "Nothing was measured."
    rows = [
        (split, row["step"], *(_number(row.get(m)) for m in measures))
        for split, row in run.results.items()
    ]
    note = "Loss in nats per token; `train` is the mean of an epoch while its weights changed."
    return f"{_table(('split', 'step', *(m.replace('_', ' ') for m in measures)), rows)}\n\n{note}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    columns = tuple(columns)
    lines = [columns, ("---",) * len(columns), *([_escaped(str(v)) for v in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """A text in one line, in which Markdown sees no marks."""
    return _SPECIAL.sub(r"\\\1", cell(text))


def _code(text: str) -> str:
    """Lines without control characters and without the end of a block of code."""
    return "".join(f"{cell(line)}\n" for line in text.replace("```", "'''").splitlines())
