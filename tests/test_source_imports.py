"""What a source imports is found in its text, as a parser finds it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import seqlab
from seqlab.source_imports import imports_of


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a", {"a"}),
        ("import a.b as c, d", {"a.b", "d"}),
        ("import a; import b", {"a", "b"}),
        ("if x: import a", {"a"}),
        ("def f():\n    from a import b", {"a", "a.b"}),
        ("from a import (  # why\n    b as c,  # and, so\n    d,\n)", {"a", "a.b", "a.d"}),
        ("from a import b, \\\n    c", {"a", "a.b", "a.c"}),
        ("from . import b", {"pkg", "pkg.b"}),
        ("from .b import c", {"pkg.b", "pkg.b.c"}),
        ("from .. import b", {"", "b"} - {""}),
        ("import_module('a.b')", {"a.b"}),
        ('__import__("a")', {"a"}),
        ("important = 1\nfrom_ = 2", set()),
    ],
)
def test_an_import_is_found_in_whatever_form(source, names):
    imports = imports_of(source.encode(), "pkg.module")
    assert names <= {name.lstrip(".") for name in imports.names}
    assert not imports.computed


@pytest.mark.parametrize(
    "call", ["import_module(name)", "__import__(f'{x}')", "import_module('.a')"]
)
def test_a_name_that_is_computed_is_told(call):
    assert imports_of(call.encode(), "pkg.module").computed


@pytest.mark.parametrize("file", sorted(Path(seqlab.__file__).parent.rglob("*.py")), ids=str)
def test_nothing_that_a_parser_finds_is_missed(file):
    source = file.read_bytes()
    expected = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            expected |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            expected |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    assert expected <= imports_of(source).names
