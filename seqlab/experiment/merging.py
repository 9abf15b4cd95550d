"""The rule of `extends` and overrides: later values are laid over earlier ones, at any depth.

A mapping with a `name` replaces; a mapping without one merges; a bare name over a component
changes its name and keeps the options that the new one has too; a list replaces, and a mapping of
numbers is laid over those items of a list.
"""

from __future__ import annotations

from dataclasses import replace

from seqlab.experiment.kinds import SINGLE
from seqlab.experiment.located import Located, refusal


def merge(base: Located, over: Located) -> Located:
    """Lay the sections of one experiment over those of another."""
    sections = dict(base.items)
    for key, value in over.items.items():
        below = sections.get(key)
        if key in SINGLE and isinstance(value.value, str) and below and "name" not in below.items:
            sections[key] = _rename(below, value)  # of the default component
        else:
            sections[key] = merge_value(below, value, key)
    return Located(sections, over.origin)


def merge_value(below: Located | None, over: Located, key: str) -> Located:
    """Lay a value over another.

    Raises:
        ExperimentError: a mapping of numbers names an item that a list does not have.
    """
    if below is None:
        return over
    if isinstance(below.value, dict) and isinstance(over.value, str):
        return _rename(below, over) if "name" in below.value else over
    if not isinstance(over.value, dict) or "name" in over.value:
        return over
    if isinstance(below.value, str):
        below = Located({"name": below}, below.origin)
    if isinstance(below.value, list) and over.value and all(map(str.isdecimal, over.value)):
        return _merge_items(below.value, over, key)
    entries = dict(below.items)
    for name, value in over.value.items():
        entries[name] = merge_value(entries.get(name), value, f"{key}.{name}")
    return Located(entries, over.origin)


def _merge_items(below: list[Located], over: Located, key: str) -> Located:
    items = list(below)
    for number, value in over.items.items():
        index = int(number)
        if index >= len(items):
            has = f"items 0 to {len(items) - 1}" if items else "no item"
            raise refusal(value.origin, f"{key}.{number}", f"'{key}' has {has}")
        items[index] = merge_value(items[index], value, f"{key}.{number}")
    return Located(items, over.origin)


def _rename(below: Located, name: Located) -> Located:
    old = below.items.get("name")
    same = old is not None and old.value == name.value
    options = {key: replace(item, kept=item.kept or not same) for key, item in below.items.items()}
    return Located({**options, "name": name}, name.origin)
