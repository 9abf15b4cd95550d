"""The notebook of the documentation runs, and says what it shows."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import seqlab

PATH = Path(__file__).resolve().parents[1] / "docs" / "notebook.ipynb"
CELLS = [
    cell for cell in json.loads(PATH.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"
]


def execute(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does; return the value of an expression at its end."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)  # noqa: S102 # our own documentation
    if last is None:
        return None
    expression = ast.Expression(last.value)  # type: ignore[attr-defined] # it is an ast.Expr
    return eval(compile(expression, "cell", "eval"), names)  # noqa: S307 # likewise


def kept(cell: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [output for output in cell["outputs"] if output["output_type"] == kind]


def _shows(value: Any, method: str) -> bool:
    return hasattr(value, method) and getattr(value, method)() is not None


def test_every_cell_runs_and_shows_what_is_kept_in_its_place():
    pytest.importorskip("pandas")
    names: dict[str, Any] = {}
    for cell in CELLS:
        source = "".join(cell["source"]).replace('"epochs": 20', '"epochs": 1')
        if errors := kept(cell, "error"):
            with pytest.raises(seqlab.SeqlabError) as caught:
                execute(source, names)
            assert caught.value._render_traceback_() == errors[0]["traceback"]
            continue
        value = execute(source, names)
        results = kept(cell, "execute_result")
        assert (value is None) == (not results), source
        for result in results:
            shown = {"text/html": "_repr_html_", "image/png": "_repr_png_"}
            made = {kind for kind, method in shown.items() if _shows(value, method)}
            assert result["data"].keys() - {"text/plain"} == made, source


def test_the_notebook_was_kept_without_a_mistake_but_the_one_it_shows():
    numbers = [cell["execution_count"] for cell in CELLS]
    assert numbers == list(range(1, len(CELLS) + 1))
    assert sum(bool(kept(cell, "error")) for cell in CELLS) == 1
    assert all(cell["outputs"] or "".join(cell["source"]).startswith("import") for cell in CELLS)
