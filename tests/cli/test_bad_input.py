"""Whatever a command is given: no traceback, the right exit code, and what is wrong in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_input import lay_out, rows

from seqlab.experiment.yaml12 import dump_yaml

ROWS = list(rows())
EVERY = len(ROWS) // 40  # of which one is in the fast suite


@pytest.fixture(scope="module")
def there(tmp_path_factory, trained_once):
    """A folder with everything in it, made once."""
    folder = tmp_path_factory.mktemp("bad")
    with pytest.MonkeyPatch.context() as own:
        own.chdir(folder)
        lay_out(trained_once)
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        pytest.param(*row, marks=[] if number % EVERY == 0 else pytest.mark.slow, id=f"{number}")
        for number, row in enumerate(ROWS)
    ],
)
def test_bad_input_is_told_in_words(
    seqlab_command, there, tiny, monkeypatch, arguments, code, word
):
    monkeypatch.chdir(there)
    Path("good.yaml").write_text(dump_yaml(tiny))
    done = seqlab_command(*arguments)
    output = done.out + done.err
    assert "Traceback" not in output
    assert (done.code, bool(output.strip())) == (code, True), output[-300:]
    assert word in output


def test_the_table_has_three_hundred_rows_that_differ():
    assert len({row[0] for row in ROWS}) >= 300
