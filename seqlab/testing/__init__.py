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
    "check_observer",
    "check_optimizer",
    "check_sampler",
    "check_schedule",
    "check_tokenizer",
    "checks_of",
    "look_at",
    "verify",
]

Factory = Callable[..., Any]


def check_corpus(factory: Factory, /, **options: Any) -> None:
    """Raise `Broken`, with every promise that this corpus does not keep."""
    _check("corpus", factory, options)


def check_tokenizer(factory: Factory, /, **options: Any) -> None:
    """Raise `Broken`, with every promise that this tokenizer does not keep."""
    _check("tokenizer", factory, options)


def check_sampler(factory: Factory, /, **options: Any) -> None:
    """Raise `Broken`, with every promise that this sampler does not keep."""
    _check("sampler", factory, options)


def check_cell(factory: Factory, /, **options: Any) -> None:
    """Raise `Broken`, with every promise that this cell does not keep."""
    _check("cell", factory, options)


def check_optimizer(factory: Factory, /, **options: Any) -> None:
    """Raise `Broken`, with every promise that this optimizer does not keep."""
    _check("optimizer", factory, options)


def check_schedule(factory: Factory, /, **options: Any) -> None:
    """Raise `Broken`, with every promise that this schedule does not keep."""
    _check("schedule", factory, options)


def check_decoder(factory: Factory, /, **options: Any) -> None:
    """Raise `Broken`, with every promise that this decoder does not keep."""
    _check("decoder", factory, options)


def check_observer(factory: Factory, /, **options: Any) -> None:
    """Raise `Broken`, with every promise that this observer does not keep."""
    _check("observer", factory, options)


def _check(kind: str, factory: Factory, options: dict[str, Any]) -> None:
    subject = Subject.of(kind, factory, options)
    results = [look_at(check, subject) for check in checks_of(kind)]
    broken = [f"{r.check}: {r.message}" for r in results if r.verdict == "broken"]
    if broken:
        promise = f"{subject} to keep all {len(results)} promises of its kind"
        raise Broken(promise, f"{len(broken)} broken", broken)
