"""Another reader of YAML 1.2, to hold seqlab's against: PyYAML in pure Python, made strict.

It shares no code with seqlab's reader, nor the parser below it, which is libyaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml

DEPTH, VALUES, SIZE, DIGITS = 50, 20_000, 1 << 20, 1000
_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "null": r"|~|null|Null|NULL",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN",
}


class RefusedError(Exception):
    """The file is no experiment, for the reason that is the message."""


class _Strict(yaml.SafeLoader):
    """YAML 1.2's core schema: its scalars, no other tags, keys that are text and given once."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 # as PyYAML has it
    yaml_constructors: ClassVar[dict[str | None, Any]] = {}

    def construct_scalar_of(self, node: yaml.Node) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if not isinstance(node, yaml.ScalarNode) or len(text) > DIGITS:
            raise RefusedError(f"no {kind}")
        if not re.fullmatch(_SCALARS[kind], text):
            raise RefusedError(f"{text!r} is no {kind}")
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            return int(text, 0) if "o" in text or "x" in text else int(text)
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))

    def construct_entries(self, node: yaml.Node) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        if not isinstance(node, yaml.MappingNode):
            raise RefusedError("no mapping")
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != f"{_TAG}str":
                raise RefusedError("a key that is no text")
            if key.value in entries:
                raise RefusedError(f"{key.value!r} is given twice")
            entries[key.value] = self.construct_object(value, deep=True)
        return entries

    def construct_items(self, node: yaml.Node) -> list[Any]:
        if not isinstance(node, yaml.SequenceNode):
            raise RefusedError("no list")
        return [self.construct_object(item, deep=True) for item in node.value]

    def construct_unknown(self, node: yaml.Node) -> None:
        raise RefusedError(f"an unknown tag: {node.tag}")

    def construct_text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise RefusedError("no text")
        return str(node.value)


for _kind, _pattern in _SCALARS.items():
    _Strict.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(f"^(?:{_pattern})$"), None)
    _Strict.add_constructor(f"{_TAG}{_kind}", _Strict.construct_scalar_of)
_Strict.add_constructor(None, _Strict.construct_unknown)
_Strict.add_constructor(f"{_TAG}map", _Strict.construct_entries)
_Strict.add_constructor(f"{_TAG}seq", _Strict.construct_items)
_Strict.add_constructor(f"{_TAG}str", _Strict.construct_text)


def read(path: Path) -> Any:
    """Read a file strictly.

    Raises:
        RefusedError: it is not UTF-8, not YAML 1.2, or too much of it.
    """
    try:
        data = path.read_bytes()
        if len(data) > SIZE:
            raise RefusedError("too large")
        text = _as_libyaml_has_it(data.decode("utf-8").removeprefix("\ufeff"))
        loader = _Strict(text)
        node = loader.get_single_node()
        _measure(node)
        return None if node is None else loader.construct_document(node)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise RefusedError(f"{type(error).__name__}: {str(error)[:200]}") from None


def _as_libyaml_has_it(text: str) -> str:
    """Level three differences of the parsers; what libyaml does is right, or does no harm.

    PyYAML refuses tabs between tokens, which YAML 1.2 allows as spaces; libyaml takes them. PyYAML
    takes the comma behind a tag for a part of it; libyaml does not, as YAML 1.2. And YAML 1.2
    allows `{key:[value]}`, as PyYAML does; libyaml wants a space behind the colon.
    """
    text = re.sub(r"(?m)((?:^|[\s,\[{])!(?!<)\S*?)(?=,)", r"\1 ", text)
    text = re.sub(r"(?m)(?<=\S)[ \t]+(?=[^\s\"']*$)|(?<=[,:\[{])[ \t]+", _spaces, text)
    if re.search(r"\S:[,?\[\]{}]", text) and any(_unspaced_colons(text)):
        raise RefusedError("a colon without a space")
    return text


def _unspaced_colons(text: str) -> Iterator[bool]:
    """For each plain scalar inside brackets: whether such a colon is in it or behind it."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        depth += isinstance(token, yaml.FlowMappingStartToken | yaml.FlowSequenceStartToken)
        depth -= isinstance(token, yaml.FlowMappingEndToken | yaml.FlowSequenceEndToken)
        if depth and isinstance(token, yaml.ScalarToken) and token.plain:
            end = token.end_mark.index
            behind = text[end : end + 2]
            yield bool(re.match(r":[,?\[\]{}]", behind)) or ":?" in token.value


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _measure(root: yaml.Node | None) -> None:
    """Refuse what is too deep or too large once its aliases are followed."""
    known: dict[int, tuple[int, int]] = {}

    def size(node: yaml.Node) -> tuple[int, int]:
        if known.setdefault(id(node), (0, 0)) == (0, 0):
            parts = [size(child) for child in _children(node)]
            values = 1 + sum(one for one, _ in parts)
            own = not isinstance(node, yaml.ScalarNode)
            known[id(node)] = values, own + max((deep for _, deep in parts), default=0)
        return known[id(node)]

    values, depth = size(root) if root is not None else (0, 0)
    if values > VALUES or depth > DEPTH:
        raise RefusedError("too much")


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    for item in node.value if isinstance(node, yaml.CollectionNode) else ():
        yield from item if isinstance(item, tuple) else (item,)
