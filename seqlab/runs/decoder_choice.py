"""Options such as a temperature -> the overrides that give a run a decoder with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from seqlab.contracts import offered
from seqlab.errors import UsageError
from seqlab.experiment.kinds import KINDS
from seqlab.experiment.overrides import Worded
from seqlab.experiment.yaml12 import dump_flow
from seqlab.registry import Bound, Registry
from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import Component

KIND = KINDS["decoder"]
SECTION, DEFAULT = KIND.section.key, KIND.section.default
ResolveDecoder = Callable[[Sequence[str]], Bound]


OF_A_TEXT = {"length", "seed", "num", "repeat", "stop", "stop_tokens", "healing", "allow_unknown"}


def decoder_options(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the settings of texts from the options of a decoder."""
    own = {name: value for name, value in settings.items() if name in OF_A_TEXT}
    return own, {name: value for name, value in settings.items() if name not in own}


def decoder_overrides(
    options: Mapping[str, Any],
    overrides: Sequence[str],
    resolve: ResolveDecoder,
    registry: Registry,
    word: Callable[[str], str] = str,
) -> list[str]:
    """Return overrides by which a decoder has all these options.

    They go to the decoder of the run, or to one inside of it, if that has them. If not, another
    takes the place of the inmost: of those that have them, one whose factory names them in
    `chosen_by`. A decoder that is named is never replaced.

    Args:
        options: of a decoder; also `decoder`, its name, and `greedy`, which is short for the name.
        overrides: `decoder.KEY=VALUE`, which are kept.
        resolve: returns the decoder that a run has with overrides.
        registry: all decoders.
        word: an option as the user wrote it.

    Raises:
        UsageError: options exclude each other, or no decoder has them.
    """
    values = {key: _plain(value, word(key)) for key, value in options.items()}
    name = _name(values, overrides, word)
    named = [] if name is None else [f"{SECTION}={name}"]
    wanted = {key: value for key, value in values.items() if key not in ("decoder", "greedy")}
    if not wanted:
        return [*named, *overrides]
    is_named = bool(named) or _names_decoder(overrides)
    bound = resolve([*named, *(overrides if is_named else ())])
    needed = {*wanted, *(() if is_named else _missing(overrides, bound))}
    target = next((part for part in _decoders(bound) if needed <= _options(part.component)), None)
    if target is not None:
        return [*named, *overrides, *_written(target.key, wanted, word)]
    *_, inmost = _decoders(bound)
    if is_named and inmost is bound:
        raise UsageError(_lacks(bound, needed, word))
    chosen = f"{inmost.key}={_preferred(registry, needed, word).name}"
    before = [*named, *overrides, chosen] if is_named else [chosen, *overrides]
    return [*before, *_written(inmost.key, wanted, word)]


def _plain(value: Any, name: str) -> Any:
    """A value as YAML has it; that of a number of numpy or torch is a number."""
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    try:
        return to_jsonable_python(value)
    except PydanticSerializationError:
        kind = type(value).__name__
        raise UsageError(f"{name} should be a number, a text or a list, not {kind}") from None


def _name(
    values: Mapping[str, Any], overrides: Sequence[str], word: Callable[[str], str]
) -> str | None:
    """The name of the decoder that is asked for, if any."""
    greedy, name = values.get("greedy", False), values.get("decoder")
    if not isinstance(greedy, bool):
        raise UsageError(f"{word('greedy')} should be true or false, not {greedy!r}")
    if name is not None and not (isinstance(name, str) and name):
        raise UsageError(f"{word('decoder')} should be the name of a decoder, not {name!r}")
    if greedy:
        for other in values:
            if other != "greedy" and not (other == "decoder" and name in (None, DEFAULT)):
                raise _exclusive(word("greedy"), word(other))
        name = DEFAULT
    if name is not None and _names_decoder(overrides):
        raise _exclusive(word("greedy" if greedy else "decoder"), f"the override of '{SECTION}'")
    return name


def _exclusive(first: str, second: str) -> UsageError:
    return UsageError(f"{first} and {second} exclude each other: choose one")


def _names_decoder(overrides: Sequence[str]) -> bool:
    keys = (override.partition("=")[0].strip() for override in overrides)
    return any(key in (SECTION, f"{SECTION}.name") for key in keys)


def _missing(overrides: Sequence[str], bound: Bound) -> Iterator[str]:
    """The options that overrides set and that this decoder lacks."""
    for override in overrides:
        steps = override.partition("=")[0].split(".")
        if len(steps) == 2 and (key := steps[1].strip()) not in _options(bound.component):
            yield key


def _decoders(bound: Bound) -> Iterator[Bound]:
    """A decoder, and those inside of it."""
    return (part for part in bound.everything() if part.component.kind == KIND.name)


def _options(component: Component) -> set[str]:
    return {*component.signature.options}


def _written(key: str, values: Mapping[str, Any], word: Callable[[str], str]) -> Iterator[str]:
    for name, value in values.items():
        text = dump_flow(value)
        yield Worded(f"{key}.{name}={text}", f"{word(name)}={text}")


def _lacks(bound: Bound, needed: set[str], word: Callable[[str], str]) -> str:
    known = _options(bound.component)
    name, label = min(needed - known), f"decoder '{bound.component.name}'"
    return f"{word(name)}: {label} has no such option{suggest(name, known) or '; it has none'}"


def _preferred(registry: Registry, needed: set[str], word: Callable[[str], str]) -> Component:
    """The first decoder that has options, in the order of names, of those that are chosen by them.

    Raises:
        UsageError: there is none.
    """
    decoders = registry.components(KIND.name)
    fitting = [each for each in decoders if needed <= _options(each) and _is_enough(each, needed)]
    if not fitting:
        everything = {key for each in decoders for key in _options(each)}
        if unknown := sorted(needed - everything):
            hint = suggest(unknown[0], everything)
            raise UsageError(f"{word(unknown[0])}: no decoder has such an option{hint}")
        names = " and ".join(map(word, sorted(needed)))
        raise UsageError(f"no decoder has {names} together")
    return min(fitting, key=lambda each: not needed <= {*_chosen_by(each.factory)})


def _is_enough(component: Component, given: set[str]) -> bool:
    options = component.signature.options.values()
    return all(option.name in given for option in options if option.required)


def _chosen_by(factory: object) -> Collection[str]:
    names = offered(factory, "chosen_by")
    return names if isinstance(names, list | tuple | set | frozenset) else ()
