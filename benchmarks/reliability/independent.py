"""Another judge of experiment files: the published JSON Schema, and what no schema can say.

It shares no code with what reads, lays over and resolves experiments in seqlab.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema

from benchmarks.reliability.strict_yaml import RefusedError, read

COMPONENTS = ("corpus", "tokenizer", "sampler", "cell", "optimizer", "schedule", "decoder")
CORE_OF_CORPUS = ("max_characters", "holdout", "if_unavailable")
BASES = 20
_DRAFT = jsonschema.Draft202012Validator
_STRICT = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    _DRAFT,
    type_checker=_DRAFT.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


class Judge:
    """Says whether a file is an experiment, by the JSON Schema of everything installed."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._validator = _STRICT(schema)

    def refusal(self, path: Path) -> str:
        """Why a file is no experiment; empty where it is one."""
        try:
            self._check(self._whole(path, BASES))
        except RefusedError as error:
            return str(error)
        return ""

    def _whole(self, path: Path, bases: int) -> dict[str, Any]:
        """Read a file and lay it over those that it extends."""
        content = read(path)
        if not isinstance(content, dict) or not content:
            raise RefusedError("no mapping of sections")
        if "extends" not in content:
            return content
        self._hold_against_schema(content)
        if not bases or not content["extends"]:
            raise RefusedError("extends without an end, or nothing")
        below = self._whole(path.parent / content.pop("extends"), bases - 1)
        laid = {key: self._laid_over(key, below.get(key), over) for key, over in content.items()}
        whole = {**below, **laid}
        return {key: section for key, section in whole.items() if section is not None}

    def _laid_over(self, key: str, below: Any, over: Any) -> Any:
        if key not in COMPONENTS or below is None:
            return _merged(below, over)
        below = {"name": below} if isinstance(below, str) else below
        if not isinstance(over, str):
            return _merged(below, over)
        options = self._options(key, over)
        return {**{k: v for k, v in below.items() if k in options}, "name": over}

    def _options(self, kind: str, name: str) -> Mapping[str, Any]:
        """The options of a component, by its branch of the schema."""
        section: dict[str, Any] = self._schema["else"]["properties"][kind]
        if "$ref" in section:
            section = self._schema["$defs"][section["$ref"].rpartition("/")[2]]
        for branch in section["anyOf"]:
            options: dict[str, Any] = branch.get("properties", {})
            if options.get("name", {}).get("const") == name:
                return options
        return {}

    def _check(self, whole: dict[str, Any]) -> None:
        self._hold_against_schema(whole)
        _check_train(whole["train"])
        _check_watched(whole)
        _check_intervals(whole)
        _check_finite(whole)
        _check_encoding(whole["corpus"])
        stand_in = whole["corpus"].get("if_unavailable") if _is_mapping(whole["corpus"]) else None
        if stand_in is not None:
            self._check_stand_in(whole, stand_in)

    def _hold_against_schema(self, content: dict[str, Any]) -> None:
        error = jsonschema.exceptions.best_match(self._validator.iter_errors(content))
        if error is not None:
            raise RefusedError(f"schema: {error.json_path}: {error.message[:200]}")

    def _check_stand_in(self, whole: dict[str, Any], stand_in: Any) -> None:
        """What takes the place of a corpus is one, without the keys that the core reads."""
        self._hold_against_schema({**whole, "corpus": stand_in})
        if _is_mapping(stand_in) and stand_in.keys() & set(CORE_OF_CORPUS):
            raise RefusedError("if_unavailable: a key that is the core's")
        _check_encoding(stand_in)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _merged(below: Any, over: Any) -> Any:
    if not _is_mapping(below) or not _is_mapping(over) or "name" in over:
        return over
    return {**below, **{key: _merged(below.get(key), value) for key, value in over.items()}}


# -- what a JSON Schema does not say


def _check_train(train: dict[str, Any]) -> None:
    if (train.get("epochs") is None) == (train.get("steps") is None):
        raise RefusedError("train: epochs or steps")
    stop = train.get("stop")
    if stop is not None and stop.get("patience") is None and stop.get("target") is None:
        raise RefusedError("train.stop: patience or target")
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", train.get("device", "auto")):
        raise RefusedError("train.device")


def _check_intervals(whole: dict[str, Any]) -> None:
    """A number of steps, or such as '2 epochs'."""
    sections = (whole.get("evaluation") or {}, whole["train"].get("checkpoint") or {})
    for every in (section.get("every") for section in sections):
        match = re.fullmatch(r"(\d+(?:\.\d+)?) (step|epoch|minute)s?", str(every))
        if not isinstance(every, str):
            continue
        if match is None or not float(match[1]):
            raise RefusedError(f"interval {every!r}")
        if match[2] != "minute" and float(match[1]) % 1:
            raise RefusedError(f"interval {every!r}")


def _check_watched(whole: dict[str, Any]) -> None:
    """What ends a run early is scored in it."""
    stop, evaluation = whole["train"].get("stop"), whole.get("evaluation")
    scored = {"train"} | ({evaluation.get("split", "valid")} if evaluation is not None else set())
    if stop is not None and stop.get("split", "valid") not in scored:
        raise RefusedError("train.stop: a split that is never scored")


def _check_finite(whole: dict[str, Any]) -> None:
    """JSON has no infinity and no NaN, so its schemas do not refuse them.

    Nothing is within bounds that is not a number; an optimizer's numbers are finite besides.
    """
    numbers = whole["optimizer"].values() if _is_mapping(whole["optimizer"]) else ()
    if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
        raise RefusedError("optimizer: a number that is not finite")
    if any(math.isnan(number) for number in _numbers(whole)):
        raise RefusedError("a number that is none")


def _numbers(value: Any, key: str = "") -> Iterator[float]:
    """Every number that has bounds: all but a target."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else ((key, item) for item in value)
        for name, item in items:
            yield from _numbers(item, name)
    elif isinstance(value, float) and key != "target":
        yield value


def _check_encoding(corpus: Any) -> None:
    """One that Python knows, of text."""
    encoding = corpus.get("encoding", "utf-8") if _is_mapping(corpus) else "utf-8"
    try:
        "".encode(encoding)
    except (LookupError, ValueError):
        raise RefusedError(f"encoding {encoding!r}") from None
