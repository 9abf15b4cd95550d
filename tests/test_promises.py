"""Each promise of SECURITY.md and docs/reliability.md names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = re.compile(r"`(tests/[\w/]+\.py)")
NAMES = re.compile(r"::(test_\w+)")


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/reliability.md"])
def test_the_test_of_each_promise_is_there(page):
    rows = [row for row in (ROOT / page).read_text("utf-8").splitlines() if "`tests/" in row]
    assert len(rows) > 5
    for row in rows:
        sources = "".join((ROOT / file).read_text("utf-8") for file in FILES.findall(row))
        for name in NAMES.findall(row):
            assert f"def {name}(" in sources, f"{page}: {name}"
