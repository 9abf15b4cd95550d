"""Execute docs/notebook.ipynb in an empty folder, and keep what it shows.

python docs/execute_notebook.py (pip install seqlab[docs,notebook])
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent / "notebook.ipynb"


def main() -> None:
    """Write the notebook anew, without what differs between machines: execution times, ids."""
    formats: Any = nbformat  # which has no types
    notebook = formats.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}})
        client.execute()
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    formats.write(notebook, NOTEBOOK)


def _joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Lines of one stream as one output."""
    joined: list[nbformat.NotebookNode] = []
    for output in outputs:
        output.get("metadata", {}).clear()
        before = joined[-1] if joined else None
        if before and output.output_type == "stream" and before.get("name") == output.name:
            before.text += output.text
        else:
            joined.append(output)
    return joined


if __name__ == "__main__":
    main()
