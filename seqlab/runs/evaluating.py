"""Score a split with the model of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from seqlab.arguments import MOST_ROWS, whole_number
from seqlab.data.preparation import prepare_split
from seqlab.data.progress import Progress
from seqlab.data.splits import TRAIN, Source, open_source
from seqlab.data.tokens import Tokens
from seqlab.errors import UsageError
from seqlab.experiment.sections import Evaluation
from seqlab.factories import EvaluationMethodFactory
from seqlab.memory_remedies import while_scoring
from seqlab.registry import Resolved
from seqlab.training.evaluation import check_scorable
from seqlab.training.measuring import measure
from seqlab.training.metrics import TokenSizes

if TYPE_CHECKING:
    from seqlab.runs.loaded_run import Run


def evaluate(
    run: Run,
    split: str | None,
    *,
    other: Resolved | None = None,
    rows: int | None,
    batch_size: int | None,
    window: int,
    documents: Literal["fresh", "carried"] | None,
    baseline: Sequence[EvaluationMethodFactory] | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Return the numbers of a split; `Run.evaluate` says what the arguments are.

    `other` is the experiment with another corpus, if that is to be scored; `baseline` methods take
    the place of those of the experiment.
    """
    for name, count in (("rows", rows), ("batch_size", batch_size), ("window", window)):
        if count is not None:
            whole_number(count, name, 1, MOST_ROWS)
    if documents not in (None, "fresh", "carried"):
        raise UsageError(f"documents should be 'fresh' or 'carried', not {documents!r}")
    progress("Opening the corpus", 0, None)
    source, split = _source(run, other), split or (TRAIN if other else "valid")
    tokens = prepare_split(source, split, run.resolved.tokenizer, run.tokenizer, progress)
    settings = run.resolved.evaluation or Evaluation()
    if baseline is not None:
        settings = replace(settings, metrics=[], methods=list(baseline))
    fresh = run.resolved.fresh_documents if documents is None else documents == "fresh"
    check_scorable(tokens, split, fresh=fresh)
    rows = settings.rows if rows is None else rows
    progress("Building the model", 0, None)
    model = run.model
    progress(f"Scoring {split}", 0, None)
    with while_scoring(split, batch_size, window):
        metrics = measure(
            model,
            tokens,
            TokenSizes.of(run.tokenizer, model.device),
            replace(settings, rows=rows, window=window),
            fresh=fresh,
            batch_size=batch_size,
            training=lambda: _training(run, progress),
        )
    parts = metrics.pop("parts")
    scored = {"split": split} | ({"corpus": other.corpus.as_section()} if other else {})
    return {**scored, "step": run.checkpoint.step, **metrics, **parts}


def _training(run: Run, progress: Progress) -> Tokens:
    """Return the training split of a run, for methods that ask for it."""
    source = _source(run, None)
    return prepare_split(source, TRAIN, run.resolved.tokenizer, run.tokenizer, progress)


def _source(run: Run, other: Resolved | None) -> Source:
    if other is not None:
        return open_source(other)
    source = open_source(run.resolved)
    source.check_same(run.description["corpus"]["fingerprint"])
    return source
