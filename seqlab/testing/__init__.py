"""Checks that a component keeps the promises of its kind, for an author's own tests.

    from seqlab.testing import check_cell

    def test_my_cell():
        check_cell(MyCell, hidden_size=8)

One test for each promise, with the pytest plugin that comes with seqlab:

    @pytest.mark.seqlab("cell", MyCell, hidden_size=8)
    def test_my_cell(seqlab_check):
        seqlab_check()

A failure says what was expected, what was seen, and where to read why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seqlab.testing.collection import checks_of
from seqlab.testing.promises import Broken, NotApplicable, Result, Subject, look_at, verify

__all__ = [
    "Broken",
    "NotApplicable",
    "Result",
    "Subject",
    "check_cell",
    "check_corpus",
    "check_decoder",
    "check_embedding",
    "check_evaluation_method",
    "check_exporter",
    "check_head",
    "check_metric",
    "check_objective",
    "check_observer",
    "check_optimizer",
    "check_sampler",
    "check_schedule",
    "check_tokenizer",
    "checks_of",
    "look_at",
    "verify",
]


def _check_function(kind: str) -> Callable[..., None]:
    def check(factory: Callable[..., Any], /, **options: Any) -> None:
        subject = Subject.of(kind, factory, options)
        results = [look_at(check, subject) for check in checks_of(kind)]
        broken = [f"{r.check}: {r.message}" for r in results if r.verdict == "broken"]
        if broken:
            promise = f"{subject} to keep all {len(results)} promises of its kind"
            raise Broken(promise, f"{len(broken)} broken", broken)

    check.__name__ = check.__qualname__ = f"check_{kind}"
    check.__doc__ = f"Raise `Broken`, with every promise that this {kind} does not keep."
    return check


check_corpus = _check_function("corpus")
check_tokenizer = _check_function("tokenizer")
check_sampler = _check_function("sampler")
check_cell = _check_function("cell")
check_embedding = _check_function("embedding")
check_head = _check_function("head")
check_objective = _check_function("objective")
check_metric = _check_function("metric")
check_evaluation_method = _check_function("evaluation_method")
check_optimizer = _check_function("optimizer")
check_schedule = _check_function("schedule")
check_decoder = _check_function("decoder")
check_observer = _check_function("observer")
check_exporter = _check_function("exporter")
