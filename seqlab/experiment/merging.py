"""The rule of `extends` and overrides: later values are laid over earlier ones.

A mapping with a `name` replaces the section; a mapping without one merges; a bare name changes
the name and keeps the options that the new component has too; a list replaces.
"""

from __future__ import annotations

from dataclasses import replace

from seqlab.experiment.located import Located
from seqlab.experiment.sections import COMPONENT_SECTIONS


def merge(base: Located, over: Located) -> Located:
    """Lay the sections of one experiment over those of another."""
    sections = dict(base.items)
    for key, value in over.items.items():
        below = sections.get(key)
        if key in COMPONENT_SECTIONS:
            sections[key] = _merge_component(below, value)
        else:
            sections[key] = _merge_value(below, value)
    return Located(sections, over.origin)


def _merge_component(below: Located | None, over: Located) -> Located:
    if below is None or below.value is None:
        return over
    if isinstance(below.value, str):
        below = Located({"name": below}, below.origin)
    if isinstance(over.value, str):
        return _rename(below, over)
    return _merge_value(below, over)


def _rename(below: Located, name: Located) -> Located:
    old = below.items.get("name")
    same = old is not None and old.value == name.value
    options = {key: replace(item, kept=item.kept or not same) for key, item in below.items.items()}
    return Located({**options, "name": name}, name.origin)


def _merge_value(below: Located | None, over: Located) -> Located:
    if below is None or not isinstance(below.value, dict) or not isinstance(over.value, dict):
        return over
    if "name" in over.value:
        return over
    entries = dict(below.value)
    for key, value in over.value.items():
        entries[key] = _merge_value(entries.get(key), value)
    return Located(entries, over.origin)
