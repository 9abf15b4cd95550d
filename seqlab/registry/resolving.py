"""Experiment and plugins in -> factories with their options bound out, or every complaint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_jsonable_python

from seqlab.errors import Complaint, ExperimentError, PluginError
from seqlab.experiment.located import Located, Origin, plain
from seqlab.experiment.reading import Experiment
from seqlab.experiment.sections import (
    ALWAYS_OBSERVING,
    COMPONENT_SECTIONS,
    CORE_KEYS,
    CORE_SECTIONS,
    DEFAULT_COMPONENTS,
    OPTIONAL_SECTIONS,
    REQUIRED_SECTIONS,
    CorpusKeys,
    Evaluation,
    Model,
    OptimizerKeys,
    Samples,
    Train,
)
from seqlab.registry.binding import Bound
from seqlab.registry.catalogue import NotFound, Registry
from seqlab.registry.checking import check_options, suggest
from seqlab.registry.compatibility import unmet
from seqlab.registry.plugins import Component
from seqlab.registry.signature import core_names, read_signature


@dataclass(frozen=True)
class Resolved:
    """An experiment in which every name stands for something and every value is right."""

    name: str
    corpus: Bound
    stand_in: Bound | None
    tokenizer: Bound
    sampler: Bound
    cell: Bound
    optimizer: Bound
    schedule: Bound
    decoder: Bound
    observers: tuple[Bound, ...]
    corpus_keys: CorpusKeys
    optimizer_keys: OptimizerKeys
    model: Model
    train: Train
    evaluation: Evaluation | None
    samples: Samples | None
    requires: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def components(self) -> list[Component]:
        """Everything that the experiment uses."""
        bound = [getattr(self, kind) for kind in COMPONENT_SECTIONS]
        return [b.component for b in (*bound, *self.observers)]

    def as_experiment(self) -> dict[str, Any]:
        """Everything filled in: an experiment that runs again as it is."""
        sections = {kind: getattr(self, kind).as_section() for kind in COMPONENT_SECTIONS}
        sections["corpus"] |= to_jsonable_python(vars(self.corpus_keys))
        sections["optimizer"] |= to_jsonable_python(vars(self.optimizer_keys))
        if self.stand_in is not None:
            sections["corpus"]["if_unavailable"] = self.stand_in.as_section()
        core = {key: getattr(self, key) for key in CORE_SECTIONS}
        sections |= {key: to_jsonable_python(v) for key, v in core.items() if v is not None}
        if self.requires:
            sections["requires"] = list(self.requires)
        return {**sections, "observers": [bound.as_section() for bound in self.observers]}


@dataclass
class _Findings:
    """What resolving has found to say so far."""

    complaints: list[Complaint] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    plugin_at_fault: bool = False

    def complain(self, origin: Origin, key: str, message: str) -> None:
        self.complaints.append(Complaint(str(origin), key, message))


def resolve(experiment: Experiment, registry: Registry) -> Resolved:
    """Bind every section of an experiment to what plugins offer.

    Raises:
        ExperimentError: with all complaints at once.
    """
    findings = _Findings()
    tree = _checked_sections(experiment.tree, findings)
    requires = _requirements(tree, findings)
    bound = {
        kind: _bind(kind, kind, tree[kind], registry, findings)
        for kind in COMPONENT_SECTIONS
        if kind in tree
    }
    observers = _bind_observers(tree, experiment.tree.origin, registry, findings)
    core = {key: _core(cls, tree.get(key), key, findings) for key, cls in CORE_SECTIONS.items()}
    _check_watched(tree, core, findings)
    keys = {key: _core_keys(cls, tree.get(key), key, findings) for key, cls in CORE_KEYS.items()}
    stand_in = _stand_in(tree.get("corpus"), registry, findings)
    if findings.complaints:
        raise ExperimentError(findings.complaints, plugin_at_fault=findings.plugin_at_fault)
    return Resolved(
        name=experiment.name,
        **bound,  # type: ignore[arg-type] # nothing is None once there is no complaint
        **core,
        stand_in=stand_in,
        observers=tuple(observers),
        corpus_keys=keys["corpus"],
        optimizer_keys=keys["optimizer"],
        requires=requires,
        notices=tuple(findings.notices),
    )


def _checked_sections(tree: Located, findings: _Findings) -> dict[str, Located]:
    """The sections that are there, defaults filled in; unknown and missing ones are complaints."""
    known = {*COMPONENT_SECTIONS, *CORE_SECTIONS, "observers", "requires"}
    for key in tree.items.keys() - known:
        message = f"unknown section '{key}'{suggest(key, known)}"
        findings.complain(tree.items[key].origin, key, message)
    given = {key: item for key, item in tree.items.items() if item.value is not None}
    sections = {key: item for key, item in given.items() if key in known}
    for key in REQUIRED_SECTIONS:
        if key not in sections:
            findings.complain(tree.origin, key, "this section is missing")
    for key, name in DEFAULT_COMPONENTS.items():
        default = Located(name, tree.origin)
        section = sections.get(key, default)
        if isinstance(section.value, dict) and "name" not in section.value:
            section = Located({"name": default, **section.value}, section.origin)
        sections[key] = section
    return sections


def _requirements(tree: Mapping[str, Located], findings: _Findings) -> tuple[str, ...]:
    """The distributions that the experiment needs; those that are not here are complaints."""
    section = tree.get("requires")
    if section is None:
        return ()
    listed = plain(section)
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        findings.complain(section.origin, "requires", "should be a list such as [seqlab-foo>=0.2]")
        return ()
    for place, message in unmet(listed):
        findings.plugin_at_fault |= message.startswith("needs")
        findings.complain(section.at([place]).origin, f"requires.{place}", message)
    return tuple(listed)


def _as_mapping(section: Located, key: str, findings: _Findings) -> Located | None:
    """`kind: name` is short for `kind: {name: name}`."""
    if isinstance(section.value, str):
        return Located({"name": section}, section.origin)
    if isinstance(section.value, dict):
        return section
    findings.complain(section.origin, key, "should be a name, or a mapping with a name")
    return None


def _bind(
    kind: str, key: str, section: Located, registry: Registry, findings: _Findings
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


def _bind_observers(
    tree: Mapping[str, Located], origin: Origin, registry: Registry, findings: _Findings
) -> list[Bound]:
    """Those that the experiment names, in that order, and the console."""
    listed = tree.get("observers", Located([], origin))
    if not isinstance(listed.value, list):
        findings.complain(listed.origin, "observers", "should be a list of names or mappings")
        return []
    entries = [(f"observers.{i}", item) for i, item in enumerate(listed.value)]
    bound = [_bind("observer", key, item, registry, findings) for key, item in entries]
    found = [observer for observer in bound if observer is not None]
    if all(observer.component.name != ALWAYS_OBSERVING for observer in found):
        console = Located(ALWAYS_OBSERVING, listed.origin)
        last = _bind("observer", "observers", console, registry, findings)
        found += [last] if last else []
    return found


def _core(cls: type, section: Located | None, key: str, findings: _Findings) -> Any:
    """A section that the core reads itself; one that is not written has its defaults."""
    options = read_signature(cls).options
    if section is None:
        return None if key in (*OPTIONAL_SECTIONS, *REQUIRED_SECTIONS) else cls()
    if not isinstance(section.value, dict):
        findings.complain(section.origin, key, "should be a mapping")
        return None
    checked = check_options(options, section, key, f"section '{key}'")
    findings.complaints += checked.complaints
    if key == "train" and not checked.complaints:
        _check_train(checked.values, section, findings)
    return cls(**checked.values) if not checked.complaints else None


def _check_train(values: Mapping[str, Any], section: Located, findings: _Findings) -> None:
    given = [key for key in ("epochs", "steps") if values[key] is not None]
    if not given:
        findings.complain(section.origin, "train", "needs epochs or steps")
    if len(given) == 2:
        message = "has epochs and steps; set one of them to null"
        findings.complain(section.at(["steps"]).origin, "train", message)
    stop = values["stop"]
    if stop is not None and stop.patience is None and stop.target is None:
        origin = section.at(["stop"]).origin
        findings.complain(origin, "train.stop", "needs patience or target")


def _check_watched(
    tree: Mapping[str, Located], core: Mapping[str, Any], findings: _Findings
) -> None:
    """What `train.stop` watches must be scored."""
    train, evaluation = core["train"], core["evaluation"]
    if train is None or train.stop is None:
        return
    scored = {"train", *([evaluation.split] if evaluation else [])}
    if train.stop.split not in scored:
        message = f"split '{train.stop.split}' is never scored; add a section `evaluation`"
        findings.complain(tree["train"].at(["stop"]).origin, "train.stop.split", message)


def _core_keys(cls: type, section: Located | None, key: str, findings: _Findings) -> Any:
    """The keys that the core reads in a component's section."""
    options = read_signature(cls).options
    items = section.items if section else {}
    own = Located(
        {k: v for k, v in items.items() if k in options}, section.origin if section else Origin("")
    )
    checked = check_options(options, own, key, key)
    findings.complaints += checked.complaints
    return cls(**checked.values)


def _stand_in(section: Located | None, registry: Registry, findings: _Findings) -> Bound | None:
    named = section.items.get("if_unavailable") if section else None
    if named is None or plain(named) is None or not isinstance(named.value, str | dict):
        return None
    return _bind("corpus", "corpus.if_unavailable", named, registry, findings)
