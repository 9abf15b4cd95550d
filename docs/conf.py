"""How the pages become a site: sphinx-build -W docs docs/_build/html (pip install seqlab[docs])."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import reference_pages  # noqa: E402 # it lies beside this file, which is run from elsewhere

import seqlab  # noqa: E402

project = "seqlab"
author = "The seqlab developers"
release = version = seqlab.__version__
extensions = ["myst_nb", "sphinx_copybutton"]
nb_execution_mode = (
    "off"  # the notebook is kept with what it showed; execute_notebook.py makes it anew
)
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"seqlab {release}"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["narrow.css"]
myst_heading_anchors = 3
myst_heading_slug_func = "reference_pages.slug"  # a name, since what Sphinx keeps is pickled


def _write_reference(_app: Any) -> None:
    reference_pages.write(HERE / "reference" / "generated", HERE.parent / "plugins" / "README.md")


def _keep_underscores(_app: Any, doctree: Any) -> None:
    """Give each heading its anchor as an id too; Sphinx's own would have hyphens."""
    for node in doctree.findall():
        anchor = node.get("slug") if hasattr(node, "get") else None
        if anchor and anchor not in node["ids"]:
            node["ids"].append(anchor)


def _link_to_site(_app: Any, docname: str, source: list[str]) -> None:
    """The README of the plugins is a page of this site; others outside of it are only named."""
    depth = docname.count("/")
    out = "../" * (depth + 1)
    target = "../" * depth + "reference/generated/plugins.md"
    text = source[0].replace(f"]({out}plugins/README.md", f"]({target}")
    source[0] = re.sub(rf"\[([^\]]+)\]\({re.escape(out)}[^)]*\.md\)", r"\1", text)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", _write_reference)
    app.connect("source-read", _link_to_site)
    app.connect("doctree-read", _keep_underscores)
    return {"parallel_read_safe": True}
