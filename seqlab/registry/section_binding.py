"""One section of an experiment in -> a component with its options, or complaints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seqlab.errors import Complaint, PluginError
from seqlab.experiment.located import Located, Origin, plain
from seqlab.experiment.yaml12 import dump_flow
from seqlab.registry.binding import Bound
from seqlab.registry.catalogue import NotFound, Registry
from seqlab.registry.option_values import check_options, suggest
from seqlab.registry.signature import core_names, read_signature


@dataclass
class SectionBinder:
    """What there is to say so far of an experiment."""

    complaints: list[Complaint] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    plugin_at_fault: bool = False

    def complain(self, origin: Origin, key: str, message: str) -> None:
        self.complaints.append(Complaint(str(origin), key, message))


def _as_mapping(section: Located, key: str, findings: SectionBinder) -> Located | None:
    """`kind: name` is short for `kind: {name: name}`."""
    if isinstance(section.value, str):
        return Located({"name": section}, section.origin)
    if isinstance(section.value, dict):
        return section
    findings.complain(section.origin, key, "should be a name, or a mapping with a name")
    return None


def bind(
    kind: str, key: str, section: Located, registry: Registry, findings: SectionBinder
) -> Bound | None:
    mapping = _as_mapping(section, key, findings)
    name = mapping.items.get("name") if mapping else None
    if mapping is None:
        return None
    if name is None:
        findings.complain(mapping.origin, key, f"needs a name{suggest('name', mapping.items)}")
        return None
    if not isinstance(name.value, str):
        findings.complain(name.origin, f"{key}.name", "should be the name of a component")
        return None
    try:
        component = registry.find(kind, name.value)
    except NotFound as error:
        findings.plugin_at_fault |= error.plugin_at_fault
        findings.complain(name.origin, f"{key}.name", str(error))
        return None
    core = core_names(kind) if key == kind else ()
    own = {k: item for k, item in mapping.items.items() if k not in {"name", *core}}
    what = f"{kind} '{name.value}'"
    options = component.signature.options
    try:
        checked = check_options(options, Located(own, mapping.origin), key, what, core)
    except PluginError as error:
        raise PluginError(f"plugin '{component.plugin}': {error}") from error
    findings.complaints += checked.complaints
    elsewhere = {name for c in registry.components(kind) for name in c.signature.options}
    for option in checked.left_behind:
        if option in elsewhere:
            findings.notices.append(f"{key}.{option} is left behind: {what} has no such option")
        else:
            message = f"no {kind} has an option '{option}'{suggest(option, elsewhere)}"
            findings.complain(own[option].origin, f"{key}.{option}", message)
    return Bound(component, checked.values, str(section.origin))


def core_keys(cls: type, section: Located | None, key: str, findings: SectionBinder) -> Any:
    """The keys that the core reads in a component's section."""
    options = read_signature(cls).options
    items = section.items if section else {}
    own = Located(
        {k: v for k, v in items.items() if k in options}, section.origin if section else Origin("")
    )
    checked = check_options(options, own, key, key)
    findings.complaints += checked.complaints
    for name, item in own.items.items():
        if item.kept and item.value is not None:
            shown = dump_flow(plain(item))
            findings.notices.append(
                f"{key}.{name}: {shown} is kept, though {key} is another component now"
                f" ({key}.{name}=null takes it away)"
            )
    return cls(**checked.values) if not checked.complaints else cls()


def find_stand_in(
    section: Located | None, registry: Registry, findings: SectionBinder
) -> Bound | None:
    named = section.items.get("if_unavailable") if section else None
    if named is None or plain(named) is None or not isinstance(named.value, str | dict):
        return None
    return bind("corpus", "corpus.if_unavailable", named, registry, findings)
