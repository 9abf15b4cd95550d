"""What is said once more at the end of a run, so that nobody overlooks it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from seqlab.model.language_model import LanguageModel
from seqlab.registry import Resolved

log = logging.getLogger(__name__)


def warn_at_the_end(corpus: Mapping[str, Any], doubt: str) -> None:
    """Log that the corpus is a stand-in, by `corpus` of `run.json`, and the doubt, if any."""
    if warning := another_corpus(corpus):
        log.warning(warning)
    if doubt:
        log.warning(doubt, extra={"doubt": True})  # a command shows it in red


def doubt(resolved: Resolved, model: LanguageModel, rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Doubt a run by the last row of metrics of each split; empty: there is nothing to doubt."""
    if not model.predicts_next:  # the loss is not that of a guess
        return ""
    evaluated = resolved.evaluation.split if resolved.evaluation else None
    return worse_than_guessing(rows, evaluated, int(model.vocabulary))


def worse_than_guessing(
    rows: Mapping[str, Mapping[str, Any]], evaluated: str | None, vocabulary: int
) -> str:
    """Doubt a model that predicts worse than guessing does; empty: it does not.

    Guessing is uniform, with a loss of log(vocabulary): what a new model begins with. The loss is
    that on the evaluated split, or of the last epoch where there is none.

    Args:
        rows: the last row of metrics of each split.
        evaluated: the split that is evaluated, if any.
        vocabulary: the number of token ids.
    """
    guessing = math.log(vocabulary)
    split = evaluated if evaluated is not None and evaluated in rows else "train"
    loss = rows[split]["loss"] if split in rows else None
    if loss is None or not loss > guessing:
        return ""
    which = "of the last epoch" if split == "train" else f"on split '{split}'"
    trained = rows.get("train", {}).get("loss")
    why = "training has diverged, or hardly begun; a smaller lr or a clip_norm may help"
    if split != "train" and trained is not None and trained < guessing:
        why = "the model knows the training split only; fewer epochs or a dropout may help"
    return f"The loss {which} is {loss:.4g}, and that of guessing is {guessing:.4g}: {why}"


def another_corpus(corpus: Mapping[str, Any]) -> str:
    """Say that a run is of a stand-in, by `corpus` of `run.json`; empty: it is not."""
    if not corpus.get("stand_in", corpus["name"] != corpus["asked_for"]):
        return ""
    return (
        f"This run is of '{corpus['name']}' instead of '{corpus['asked_for']}', which could not be"
        " had: its numbers do not compare with published ones"
    )
