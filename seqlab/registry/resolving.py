"""Experiment and plugins in -> factories with their options bound out, or every complaint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic_core import to_jsonable_python

from seqlab.errors import Complaint, ExperimentError
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
from seqlab.registry.catalogue import Registry
from seqlab.registry.compatibility import unmet
from seqlab.registry.option_values import check_options, suggest
from seqlab.registry.plugins import Component
from seqlab.registry.section_binding import SectionBinder, bind, core_keys, find_stand_in
from seqlab.registry.signature import read_signature
from seqlab.registry.unused_settings import unused_settings


@dataclass(frozen=True, kw_only=True)
class Text:
    """The part of an experiment that token ids follow from."""

    corpus: Bound
    stand_in: Bound | None
    corpus_keys: CorpusKeys
    tokenizer: Bound
    written: Located

    def complaint(self, message: str, *path: str) -> Complaint:
        """What turned out to be wrong with a key, where it (or what it is in) was written."""
        return Complaint(str(self.written.at(path).origin), ".".join(path), message)


@dataclass(frozen=True, kw_only=True)
class Resolved(Text):
    """An experiment in which every name stands for something and every value is right."""

    name: str
    sampler: Bound
    cell: Bound
    optimizer: Bound
    schedule: Bound
    decoder: Bound
    observers: tuple[Bound, ...]
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

    @property
    def fresh_documents(self) -> bool:
        """Whether evaluations start each document afresh: as the experiment says, or trains."""
        said = self.evaluation.documents if self.evaluation else None
        return (said or documents_of(self.sampler.component.factory)) == "fresh"

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


def documents_of(factory: Any) -> str:
    """How a sampler treats documents, as its factory says: fresh or carried."""
    while isinstance(factory, partial):
        factory = factory.func
    said = getattr(factory, "documents", "carried")
    return said if isinstance(said, str) else "carried"


def resolve_text(experiment: Experiment, registry: Registry) -> Text:
    """Bind the corpus and the tokenizer of an experiment; sections that it has must be known.

    Raises:
        ExperimentError: with all complaints at once.
    """
    findings = SectionBinder()
    sections = _known_sections(experiment.tree, findings)
    tree = _with_defaults(sections, experiment.tree.origin)
    if "corpus" not in tree:
        findings.complain(experiment.tree.origin, "corpus", "this section is missing")
    bound = {
        kind: bind(kind, kind, tree[kind], registry, findings)
        for kind in ("corpus", "tokenizer")
        if kind in tree
    }
    keys = core_keys(CorpusKeys, tree.get("corpus"), "corpus", findings)
    stand_in = find_stand_in(tree.get("corpus"), registry, findings)
    if findings.complaints:
        raise ExperimentError(findings.complaints, plugin_at_fault=findings.plugin_at_fault)
    return Text(
        **bound,  # type: ignore[arg-type] # as below
        stand_in=stand_in,
        corpus_keys=keys,
        written=experiment.tree,
    )


def resolve(experiment: Experiment, registry: Registry) -> Resolved:
    """Bind every section of an experiment to what plugins offer.

    Raises:
        ExperimentError: with all complaints at once.
    """
    resolved, findings = resolve_as_far_as_can_be(experiment, registry)
    if findings.complaints:
        raise ExperimentError(findings.complaints, plugin_at_fault=findings.plugin_at_fault)
    return resolved


def resolve_as_far_as_can_be(
    experiment: Experiment, registry: Registry
) -> tuple[Resolved, SectionBinder]:
    """Bind every section that can be bound; of one that something is wrong with there is None."""
    findings = SectionBinder(notices=list(experiment.notices))
    tree = _checked_sections(experiment.tree, findings)
    requires = _requirements(tree, findings)
    bound = {
        kind: bind(kind, kind, tree[kind], registry, findings) if kind in tree else None
        for kind in COMPONENT_SECTIONS
    }
    observers = _bind_observers(tree, experiment.tree.origin, registry, findings)
    core = {key: _core(cls, tree.get(key), key, findings) for key, cls in CORE_SECTIONS.items()}
    _check_watched(tree, core, findings)
    findings.notices += unused_settings(core["model"], core["train"])
    keys = {key: core_keys(cls, tree.get(key), key, findings) for key, cls in CORE_KEYS.items()}
    stand_in = find_stand_in(tree.get("corpus"), registry, findings)
    wrong = {complaint.key.split(".")[0] for complaint in findings.complaints}
    resolved = Resolved(
        name=experiment.name,
        **{kind: None if kind in wrong else one for kind, one in bound.items()},  # type: ignore[arg-type] # None where there is a complaint
        **core,
        written=experiment.tree,
        stand_in=stand_in,
        observers=() if "observers" in wrong else tuple(observers),
        corpus_keys=keys["corpus"],
        optimizer_keys=keys["optimizer"],
        requires=requires,
        notices=tuple(findings.notices),
    )
    return resolved, findings


def _checked_sections(tree: Located, findings: SectionBinder) -> dict[str, Located]:
    """The sections that are there, defaults filled in; unknown and missing ones are complaints."""
    sections = _known_sections(tree, findings)
    for key in REQUIRED_SECTIONS:
        if key not in sections:
            findings.complain(tree.origin, key, "this section is missing")
    return _with_defaults(sections, tree.origin)


def _known_sections(tree: Located, findings: SectionBinder) -> dict[str, Located]:
    """The sections that are there; unknown ones are complaints."""
    known = {*COMPONENT_SECTIONS, *CORE_SECTIONS, "observers", "requires"}
    for key in tree.items.keys() - known:
        message = f"unknown section '{key}'{suggest(key, known)}"
        findings.complain(tree.items[key].origin, key, message)
    given = {key: item for key, item in tree.items.items() if item.value is not None}
    return {key: item for key, item in given.items() if key in known}


def _with_defaults(sections: Mapping[str, Located], origin: Origin) -> dict[str, Located]:
    """Fill in the components that an experiment need not name."""
    filled = dict(sections)
    for key, name in DEFAULT_COMPONENTS.items():
        default = Located(name, origin)
        section = sections.get(key, default)
        if isinstance(section.value, dict) and "name" not in section.value:
            section = Located({"name": default, **section.value}, section.origin)
        filled[key] = section
    return filled


def _requirements(tree: Mapping[str, Located], findings: SectionBinder) -> tuple[str, ...]:
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


def _bind_observers(
    tree: Mapping[str, Located], origin: Origin, registry: Registry, findings: SectionBinder
) -> list[Bound]:
    """Those that the experiment names, in that order, and the console."""
    listed = tree.get("observers", Located([], origin))
    if not isinstance(listed.value, list):
        message = "should be a list of names or mappings"
        if isinstance(listed.value, dict):
            message += "; an item of a list cannot be set alone, so give the whole: [{name: …}]"
        findings.complain(listed.origin, "observers", message)
        return []
    entries = [(f"observers.{i}", item) for i, item in enumerate(listed.value)]
    bound = [bind("observer", key, item, registry, findings) for key, item in entries]
    found = [observer for observer in bound if observer is not None]
    _refuse_twins(entries, bound, findings)
    if all(observer.component.name != ALWAYS_OBSERVING for observer in found):
        console = Located(ALWAYS_OBSERVING, listed.origin)
        last = bind("observer", "observers", console, registry, findings)
        found += [last] if last else []
    return found


def _refuse_twins(
    entries: Sequence[tuple[str, Located]], bound: Sequence[Bound | None], findings: SectionBinder
) -> None:
    """Two observers that are alike would write everything twice."""
    seen: list[dict[str, Any]] = []
    for (key, item), observer in zip(entries, bound, strict=True):
        if observer is None:
            continue
        if observer.as_section() in seen:
            said = f"observer '{observer.component.name}' is listed before with the same options"
            findings.complain(item.origin, key, said)
        seen.append(observer.as_section())


def _core(cls: type, section: Located | None, key: str, findings: SectionBinder) -> Any:
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


def _check_train(values: Mapping[str, Any], section: Located, findings: SectionBinder) -> None:
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
    tree: Mapping[str, Located], core: Mapping[str, Any], findings: SectionBinder
) -> None:
    """What `train.stop` watches must be scored."""
    train, evaluation = core["train"], core["evaluation"]
    if train is None or train.stop is None:
        return
    scored = {"train", *([evaluation.split] if evaluation else [])}
    if train.stop.split not in scored:
        message = f"split '{train.stop.split}' is never scored; add a section `evaluation`"
        findings.complain(tree["train"].at(["stop"]).origin, "train.stop.split", message)
