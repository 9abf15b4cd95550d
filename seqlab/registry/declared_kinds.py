"""A plugin's module in -> the kinds of component that it declares, as `seqlab.Kind`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType

from seqlab.experiment.kinds import KINDS, Kind
from seqlab.interrupts import reraise_interrupt
from seqlab.registry.error_summary import reason
from seqlab.registry.plugins import Plugin, Refused

HOOK = "seqlab_register_kinds"


def declared_kinds(plugin: Plugin, module: ModuleType, known: Mapping[str, Kind]) -> list[Kind]:
    """Return the kinds that a module declares; their hooks begin with its distribution or file.

    Raises:
        Refused: one of them cannot be used, or has the name of a known one.
    """
    hook = vars(module).get(HOOK)
    if hook is None or not hasattr(hook, "seqlab_impl"):
        return []
    try:
        kinds = list(hook())
    except BaseException as error:
        reraise_interrupt(error)
        raise Refused(f"hook {HOOK} failed: {reason(error)}") from None
    owner = re.sub(r"\W", "_", plugin.distribution or plugin.name)
    declared = dict[str, Kind]()
    for kind in kinds:
        checked = _checked(kind, owner, {**known, **declared})
        declared[checked.name] = checked
    return list(declared.values())


def _checked(kind: object, owner: str, known: Mapping[str, Kind]) -> Kind:
    if not isinstance(kind, Kind):
        raise Refused(f"hook {HOOK} should return a list of seqlab.Kind, not {kind!r:.60}")
    passed = (*kind.supplied, *kind.offers)
    names = [kind.name, kind.plural, *passed]
    if wrong := [name for name in names if not name.isidentifier()]:
        raise Refused(f"kind '{kind.name}': '{wrong[0]}' should be a Python name")
    if twice := [name for name in passed if passed.count(name) > 1]:
        raise Refused(f"kind '{kind.name}': '{twice[0]}' is supplied or offered twice")
    if kind.name in known:
        whose = "seqlab" if kind.name in KINDS else known[kind.name].owner
        raise Refused(f"kind '{kind.name}' is one of {whose} already; give it another name")
    if kind.section.key:
        raise Refused(
            f"kind '{kind.name}' has a section: sections are seqlab's own; components name it in"
            " their options"
        )
    return replace(kind, owner=owner)
