"""Decoders -> the forms that set their options, from their signatures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from seqlab.errors import ExperimentError, UsageError
from seqlab.experiment.located import Origin, plain
from seqlab.experiment.yaml12 import load_yaml
from seqlab.printable import visible

if TYPE_CHECKING:
    from seqlab.registry import Registry
    from seqlab.registry.option import Option
    from seqlab.registry.plugins import Component
    from seqlab.runs.loaded_run import Run

PREFIX = "option."
"""What the names of the fields of options begin with."""


def forms(registry: Registry, run: Run, steps: list[int], best: int | None) -> dict[str, Any]:
    """Return the checkpoints of a run, its own decoder, and the form of each decoder.

    An option that names files is left out: the page opens none.
    """
    own = run.resolved.decoder.as_section()
    named = [["latest", "latest"], *([["best", f"best ({best})"]] if best in steps else [])]
    return {
        "checkpoints": [*named, *([str(step), str(step)] for step in reversed(steps))],
        "own": own["name"],
        "decoders": [
            {
                "name": component.name,
                "help": visible(component.signature.summary),
                "options": [
                    _option(option, own if component.name == own["name"] else {})
                    for option in component.signature.options.values()
                    if not option.names_files
                ],
            }
            for component in registry.components("decoder")
        ],
    }


def _option(option: Option, own: Mapping[str, Any]) -> dict[str, Any]:
    """A field of a form: `field` has what an input of HTML has, `choices` are those of a select."""
    schema = _only_type(option)
    usual = None if option.required else to_jsonable_python(option.default, fallback=str)
    value = own.get(option.name, usual)
    field = {
        "name": PREFIX + option.name,
        "required": option.required,
        "value": "" if value is None or value == usual else _written(value, schema),
        "placeholder": "" if usual is None else _written(usual, schema),
    }
    choices = _choices(schema)
    if not choices and schema.get("type") in ("number", "integer"):
        field |= {"type": "number", "step": "any" if schema["type"] == "number" else "1"}
        field |= {
            key: str(schema[word])
            for key, word in (("min", "minimum"), ("max", "maximum"))
            if word in schema
        }
    usually = [["", f"{field['placeholder']} (default)"]] if not option.required else []
    return {
        "name": option.name,
        "help": visible(" ".join(filter(None, (option.help, option.bounds())))),
        "choices": [*usually, *([text, text] for text in choices)] if choices else None,
        "field": field,
    }


def _only_type(option: Option) -> Mapping[str, Any]:
    """The schema of an option; of one that may be null too, the other branch."""
    schema = option.schema
    branches = [branch for branch in schema.get("anyOf", [schema]) if branch.get("type") != "null"]
    return branches[0] if len(branches) == 1 else {}


def _choices(schema: Mapping[str, Any]) -> list[str]:
    if schema.get("type") == "boolean":
        return ["true", "false"]
    return [_written(choice, schema) for choice in schema.get("enum", ())]


def _written(value: Any, schema: Mapping[str, Any]) -> str:
    is_text = isinstance(value, str) and schema.get("type") == "string"
    return str(value) if is_text else json.dumps(value, ensure_ascii=False)


def values_of(component: Component, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the options that the fields of a form say; empty ones are as by default.

    Raises:
        UsageError: the decoder lacks one, or a value cannot be read.
    """
    options, values = component.signature.options, {}
    for field, text in fields.items():
        name = field.removeprefix(PREFIX)
        if name not in options or options[name].names_files:
            raise UsageError(f"{component.label} has no option '{name}' that the page can set")
        if text:
            is_text = _only_type(options[name]).get("type") == "string"
            values[name] = text if is_text else _read(name, text)
    return values


def _read(name: str, text: str) -> Any:
    """A value, as an experiment has it."""
    try:
        return plain(load_yaml(text, Origin(name)))
    except ExperimentError as error:
        raise UsageError(str(error)) from None
