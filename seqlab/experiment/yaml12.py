"""YAML 1.2 by PyYAML's parser, with locations and limits of size.

PyYAML's own rules are those of YAML 1.1: `1e-3` is text, `no` is False, and the last of two equal
keys silently wins. Here the core schema of YAML 1.2 holds (https://yaml.org/spec/1.2.2/#103)
and a repeated key is an error.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from seqlab.errors import Complaint, ExperimentError
from seqlab.experiment.broken_text import Fault
from seqlab.experiment.located import MAX_DEPTH, MAX_DIGITS, Located, Origin, Scalar, refusal
from seqlab.experiment.syntax_errors import fault_in, unprintable, without_space
from seqlab.files import read
from seqlab.foreign_files import no_utf_8

MAX_BYTES = 1 << 20
MAX_VALUES = 20_000
_PIPES = (("/", "dev"), ("/", "proc"))  # of a shell's `<(…)`

_PREFIX = "tag:yaml.org,2002:"
_PLAIN = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml may be missing
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 # as PyYAML declares it


class _Dumper(yaml.SafeDumper):
    """Quotes text that either version of YAML would read as another type."""


_RULES = {name: re.compile(pattern) for name, pattern, _ in _PLAIN}
for _name, _pattern, _first in _PLAIN:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"{_PREFIX}{_name}", re.compile(f"^(?:{_pattern})$"), _first)


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Escape characters that end a line in YAML 1.1 but not in 1.2."""
    style = '"' if set(text) & set("\x85\u2028\u2029") else None
    return dumper.represent_scalar(f"{_PREFIX}str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(value: Any) -> str:
    """Return plain values as a YAML document that `load_yaml` reads back equal."""
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100)


def dump_flow(value: Any) -> str:
    """Return a plain value as YAML in one line, to paste after a key."""
    text = yaml.dump(
        value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**6,
        default_flow_style=True,
    )  # fmt: skip
    return text.removesuffix("\n").removesuffix("\n...")


def load_yaml(text: str, origin: Origin) -> Located:
    """Read one document; `origin` names the text in errors, and the folder of relative paths.

    Raises:
        ExperimentError: with every complaint about duplicate keys, tags and keys that are no text,
            or with the first syntax error.
    """
    try:
        _check_size(text, origin)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, origin) from None
    except (yaml.YAMLError, ValueError) as error:
        raise _unreadable(error, text, origin) from None
    if node is None:
        return Located({}, origin)
    _check_expansion(node, origin)
    complaints: list[Complaint] = []
    located = _convert(node, "", origin, complaints)
    if complaints:
        raise ExperimentError(complaints)
    return located


def read_text(path: Path, *, record: bool = False) -> str:
    """Read an experiment file, or a pipe of a shell; a `record` in a run folder may be no link."""
    try:
        if record:
            data = read(path, MAX_BYTES)
        elif path.is_fifo() and path.parts[:2] not in _PIPES:  # reading may wait forever
            raise OSError(errno.EINVAL, "it is a pipe, not a file", str(path))
        else:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            message = f"is larger than an experiment may be ({MAX_BYTES:,} bytes)"
            raise refusal(str(path), "", message)
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start:,}); {no_utf_8(path, data)}"
        raise refusal(str(path), "", message) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refusal(str(path), "", f"cannot be read: {reason}") from None


def _origin_at(mark: Any, origin: Origin) -> Origin:
    return Origin(origin.label, mark.line + 1, mark.column + 1, origin.folder)


def _syntax_error(error: yaml.MarkedYAMLError, text: str, origin: Origin) -> ExperimentError:
    return _refused(fault_in(text, error, _Loader), origin)


def _unreadable(error: Exception, text: str, origin: Origin) -> ExperimentError:
    """The error for a text that is refused before it is parsed."""
    if fault := unprintable(text):
        return _refused(fault, origin)
    return refusal(origin, "", f"is not YAML: {str(error).splitlines()[0]}")


def _refused(fault: Fault, origin: Origin) -> ExperimentError:
    here = Origin(origin.label, fault.line + 1, fault.column + 1, origin.folder)
    return refusal(here, "", fault.message)


def _check_size(text: str, origin: Origin) -> None:
    """Check depth and size in the stream of events, before any recursion."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        values += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            here = _origin_at(event.start_mark, origin)
            raise refusal(here, "", f"nests deeper than {MAX_DEPTH} levels")
        if values > MAX_VALUES:
            raise refusal(origin, "", f"has more than {MAX_VALUES:,} values")


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _check_expansion(root: yaml.Node, origin: Origin) -> None:
    """Check depth and size with aliases expanded; refuse an alias that contains itself."""
    measured: dict[int, tuple[int, int]] = {}
    open_nodes: set[int] = set()

    def measure(node: yaml.Node) -> tuple[int, int]:
        if id(node) in open_nodes:
            here = _origin_at(node.start_mark, origin)
            raise refusal(here, "", "is an alias that contains itself")
        if id(node) not in measured:
            open_nodes.add(id(node))
            parts = [measure(child) for child in _children(node)]
            open_nodes.discard(id(node))
            size = 1 + sum(size for size, _ in parts)
            measured[id(node)] = size, 1 + max((depth for _, depth in parts), default=0)
        return measured[id(node)]

    size, depth = measure(root)
    if size > MAX_VALUES:
        raise refusal(origin, "", f"has more than {MAX_VALUES:,} values with its aliases expanded")
    if depth > MAX_DEPTH + 1:
        message = f"nests deeper than {MAX_DEPTH} levels with its aliases expanded"
        raise refusal(origin, "", message)


def _convert(node: yaml.Node, key: str, origin: Origin, complaints: list[Complaint]) -> Located:
    here = _origin_at(node.start_mark, origin)
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_PREFIX}map":
        return Located(_entries(node, key, origin, complaints), here)
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{_PREFIX}seq":
        items = enumerate(node.value)
        parts = [_convert(item, f"{key}.{i}", origin, complaints) for i, item in items]
        return Located(parts, here)
    try:
        return Located(_scalar(node), here)
    except ValueError as error:
        complaints.append(Complaint(str(here), key, str(error)))
        return Located(None, here)


def _entries(
    node: yaml.MappingNode, key: str, origin: Origin, complaints: list[Complaint]
) -> dict[str, Located]:
    entries: dict[str, Located] = {}
    lines: dict[str, int] = {}
    for name_node, value_node in node.value:
        where = str(_origin_at(name_node.start_mark, origin))
        name = str(name_node.value)
        path = f"{key}.{name}" if key else name
        if missing := _space_missing(node, name_node, value_node):
            complaints.append(Complaint(where, key, missing))
        elif not isinstance(name_node, yaml.ScalarNode) or name_node.tag != f"{_PREFIX}str":
            complaints.append(Complaint(where, key, "has a key that is not text; quote it"))
        elif name in entries:
            message = f"is given twice (first in line {lines[name]})"
            complaints.append(Complaint(where, path, message))
        else:
            lines[name] = name_node.start_mark.line + 1
            entries[name] = _convert(value_node, path, origin, complaints)
    return entries


def _space_missing(node: yaml.MappingNode, name: yaml.Node, value: yaml.Node) -> str:
    """What is wrong with `{name:rnn}`, which YAML takes for a key without a value."""
    is_bare = isinstance(name, yaml.ScalarNode) and not name.style and node.flow_style
    has_value = value.start_mark.index != value.end_mark.index
    missing = without_space(name.value) if is_bare and not has_value else None
    return missing[1] if missing else ""


def _scalar(node: yaml.Node) -> Scalar:
    kind = str(node.tag).removeprefix(_PREFIX)
    if not isinstance(node, yaml.ScalarNode) or kind not in (*_RULES, "str"):
        raise ValueError(f"has an unknown tag: {node.tag}")
    text = str(node.value)
    if kind == "str":
        return text
    if not _RULES[kind].fullmatch(text):
        raise ValueError(f"is not what YAML calls {kind}: {text[:40]!r}")
    if len(text) > MAX_DIGITS:
        raise ValueError(f"is a number of more than {MAX_DIGITS:,} digits")
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
