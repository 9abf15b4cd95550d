"""What a newcomer sees in the first ten minutes, on terminals of two widths.

The screens are kept; `python -m tests.newcomer --update` renews them, and the difference is to be
read before it is committed.
"""

from __future__ import annotations

import pytest
from newcomer.walk import SCREENS, STEPS, WIDTHS, masked, walk
from tmux import needs_tmux


def columns(line: str) -> int:
    from rich.cells import cell_len

    return cell_len(line)


@needs_tmux
@pytest.mark.timeout(120)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_screen_is_as_it_was_kept(tmp_path, tmp_path_factory, monkeypatch, width):
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path_factory.getbasetemp() / "newcomer-cache"))
    for name, seen in walk(tmp_path / "home", width):
        kept = (SCREENS / str(width) / f"{name}.txt").read_text("utf-8")
        assert f"{masked(seen)}\n" == kept, f"{name}\n{seen}"
        assert all(columns(line) <= width for line in seen.split("\n"))


def test_every_screen_that_is_kept_is_one_of_the_walk():
    names = {step.name for step in STEPS if step.name}
    for width in WIDTHS:
        assert {path.stem for path in (SCREENS / str(width)).iterdir()} == names
