"""Mistakes that show only in long, wide, large or late calls: each is caught by a check."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_late import MISTAKES, checks_that_catch

from seqlab.experiment.kinds import KINDS
from seqlab.testing import Subject, checks_of, look_at, registration
from seqlab.testing.collection import checks_in


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    """What the planted corpora and tokenizers read."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "deep/b.txt", "deep/er/c.txt"):
        path = Path("texts", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"of {name}\nno\na longer line\nand the end\n", "utf-8")
    Path("words.txt").write_text("the\nfox\nover\n", "utf-8")


@pytest.mark.parametrize(("kind", "component", "check"), MISTAKES)
def test_a_planted_mistake_is_caught_by_its_check(kind, component, check):
    """And not by an error that the component happens to raise."""
    checks = {one.__name__: one for one in checks_of(kind)}
    result = look_at(checks[check], Subject.of(kind, component, {}))
    assert result.verdict == "broken"
    assert not result.message.startswith("expected no error while checking this")


def test_there_are_sixty_mistakes_of_all_kinds():
    assert len({component for _, component, _ in MISTAKES}) >= 60
    assert {kind for kind, _, _ in MISTAKES} == set(KINDS)


@pytest.mark.parametrize(
    "kind", ["embedding", "head", "objective", "metric", "evaluation_method", "exporter"]
)
def test_every_check_of_these_kinds_catches_one(kind):
    own = {*checks_of(kind)} - {*checks_in(registration)}
    assert {check.__name__ for check in own} == checks_that_catch(kind)
