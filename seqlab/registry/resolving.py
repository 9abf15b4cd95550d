"""Experiment and plugins in -> components with their options bound, or every complaint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from seqlab.contracts import offered
from seqlab.errors import Complaint
from seqlab.experiment.kinds import KINDS, REQUIRED_SECTIONS, SINGLE, Kind
from seqlab.experiment.later_keys import without_later_defaults
from seqlab.experiment.located import Located, Origin, plain
from seqlab.experiment.reading import Experiment
from seqlab.experiment.sections import (
    CORE_SECTIONS,
    CorpusKeys,
    Evaluation,
    Model,
    OptimizerKeys,
    Samples,
    Train,
)
from seqlab.registry.binding import Bound, as_written
from seqlab.registry.catalogue import Registry
from seqlab.registry.compatibility import unmet_requirements
from seqlab.registry.core_sections import (
    check_watched,
    core_section,
    embedding_of,
    unused_settings,
)
from seqlab.registry.option_tree import leaves
from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import Component, Key
from seqlab.registry.section_binding import SectionBinder


@dataclass(frozen=True, kw_only=True)
class Text:
    """The part of an experiment that token ids follow from."""

    corpus: Bound
    corpus_keys: CorpusKeys
    tokenizer: Bound
    written: Located

    @property
    def stand_in(self) -> Bound | None:
        """The corpus that takes the place of one that cannot be had."""
        return cast("Bound | None", self.corpus_keys.if_unavailable)

    def complaint(self, message: str, *path: str) -> Complaint:
        """A complaint about a key, at the place where it, or its section, was written."""
        return Complaint(str(self.written.at(path).origin), ".".join(path), message)


@dataclass(frozen=True, kw_only=True)
class Resolved(Text):
    """An experiment whose names are components and whose values are valid."""

    name: str
    sampler: Bound
    cell: Bound
    optimizer: Bound
    schedule: Bound
    decoder: Bound
    objective: Bound
    observers: tuple[Bound, ...]
    optimizer_keys: OptimizerKeys
    model: Model
    embedding: Bound
    head: Bound
    train: Train
    evaluation: Evaluation | None
    samples: Samples | None
    requires: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def keys_of(self, kind: str) -> dict[str, Any]:
        """The keys in the section of a kind that the core reads."""
        keys = self._core_keys(kind)
        return vars(keys) if keys else {}

    def _core_keys(self, kind: str) -> CorpusKeys | OptimizerKeys | None:
        keys = {"corpus": self.corpus_keys, "optimizer": self.optimizer_keys}
        return cast("CorpusKeys | OptimizerKeys | None", keys.get(kind))

    def _is_later_default(self, kind: Kind) -> bool:
        """Whether a section that came later is as it is where it is not written."""
        bound: Bound = getattr(self, kind.section.key)
        return kind.section.later and bound.is_default(kind.section.default)

    def components(self) -> list[Component]:
        """Everything that the experiment uses."""
        bound = [getattr(self, kind) for kind in SINGLE]
        bound += [self.embedding, self.head, *self.observers]
        if self.evaluation:
            bound += [*self.evaluation.metrics, *self.evaluation.methods]
        return [part.component for b in bound for part in b.everything()]

    def used(self) -> set[Key]:
        """The keys of the components that it uses, also where others have complaints."""
        values = [value for key, value in vars(self).items() if key != "written"]
        bound = [leaf for leaf in leaves(values) if isinstance(leaf, Bound)]
        return {part.component.key for b in bound for part in b.everything()}

    @property
    def fresh_documents(self) -> bool:
        """Whether evaluations start each document afresh: as the experiment says, or trains."""
        documents = self.evaluation.documents if self.evaluation else None
        return (documents or document_mode(self.sampler)) == "fresh"

    def as_experiment(self, *, later_keys: bool = False) -> dict[str, Any]:
        """The experiment with every default filled in; it runs as it is.

        Args:
            later_keys: also fill in those of the keys in `experiment/later_keys.py`, which the
                hash of an experiment and `resolved.yaml` do without.
        """
        written = vars if later_keys else without_later_defaults
        kept = [k for k, kind in SINGLE.items() if later_keys or not self._is_later_default(kind)]
        sections = {kind: getattr(self, kind).as_section() for kind in kept}
        for kind in kept:
            keys = self._core_keys(kind)
            sections[kind] |= as_written(written(keys)) if keys else {}
        core = {key: getattr(self, key) for key in CORE_SECTIONS}
        sections |= {key: as_written(written(v)) for key, v in core.items() if v is not None}
        if self.requires:
            sections["requires"] = list(self.requires)
        return {**sections, "observers": [bound.as_section() for bound in self.observers]}


def document_mode(sampler: Bound) -> str:
    """How a sampler treats documents: as its factory says, or else as that of one inside it."""
    said = (_documents(p.component.factory) for p in sampler.everything() if _is_sampler(p))
    return next(filter(None, said), "carried")


def _is_sampler(part: Bound) -> bool:
    return part.component.kind == "sampler"


def _documents(factory: Any) -> str | None:
    while isinstance(factory, partial):
        factory = factory.func
    documents = offered(factory, "documents")
    return documents if isinstance(documents, str) else None


def resolve_text(experiment: Experiment, registry: Registry) -> Text:
    """Bind the corpus and the tokenizer, or raise ExperimentError with all complaints."""
    binder = SectionBinder(registry)
    tree = _with_defaults(_known_sections(experiment.tree, binder), experiment.tree.origin)
    if "corpus" not in tree:
        binder.complain(experiment.tree.origin, "corpus", "this section is missing")
    keys = [key for key in ("corpus", "tokenizer") if key in tree]
    bound = {key: binder.bind(SINGLE[key], key, tree[key]) for key in keys}
    corpus_keys = binder.core_keys(CorpusKeys, tree.get("corpus"), "corpus")
    binder.raise_complaints()
    return Text(**bound, corpus_keys=corpus_keys, written=experiment.tree)  # type: ignore[arg-type] # None where there is a complaint


def resolve(experiment: Experiment, registry: Registry) -> Resolved:
    """Bind every section of an experiment, or raise ExperimentError with all complaints."""
    resolved, binder = resolve_partially(experiment, registry)
    binder.raise_complaints()
    return resolved


def resolve_partially(experiment: Experiment, registry: Registry) -> tuple[Resolved, SectionBinder]:
    """Bind every section that is valid; the others are None, with complaints in the binder."""
    binder = SectionBinder(registry, notices=list(experiment.notices))
    tree = _sections(experiment.tree, binder)
    requires = _requirements(tree, binder)
    bound = {k: binder.bind(kind, k, tree[k]) for k, kind in SINGLE.items() if k in tree}
    observers = _bind_observers(tree, experiment.tree.origin, binder)
    origin = experiment.tree.origin
    core = {
        k: core_section(cls, tree.get(k), k, origin, binder) for k, cls in CORE_SECTIONS.items()
    }
    check_watched(tree, core, binder)
    binder.notices += unused_settings(core["model"], core["train"])
    corpus_keys = binder.core_keys(CorpusKeys, tree.get("corpus"), "corpus")
    optimizer_keys = binder.core_keys(OptimizerKeys, tree.get("optimizer"), "optimizer")
    wrong = {complaint.key.split(".")[0] for complaint in binder.complaints}
    resolved = Resolved(
        name=experiment.name,
        **{k: None if k in wrong else bound.get(k) for k in SINGLE},  # type: ignore[arg-type] # None where there is a complaint
        **core,
        written=experiment.tree,
        embedding=embedding_of(core["model"], tree, binder),
        head=core["model"] and core["model"].head,
        observers=() if "observers" in wrong else tuple(observers),
        corpus_keys=corpus_keys,
        optimizer_keys=optimizer_keys,
        requires=requires,
        notices=tuple(binder.notices),
    )
    return resolved, binder


def _sections(tree: Located, binder: SectionBinder) -> dict[str, Located]:
    """The sections with defaults filled in; unknown and missing ones are complaints."""
    sections = _known_sections(tree, binder)
    for key in REQUIRED_SECTIONS:
        if key not in sections:
            binder.complain(tree.origin, key, "this section is missing")
    return _with_defaults(sections, tree.origin)


def _known_sections(tree: Located, binder: SectionBinder) -> dict[str, Located]:
    known = {*SINGLE, *CORE_SECTIONS, "observers", "requires"}
    for key in tree.items.keys() - known:
        message = f"unknown section '{key}'{suggest(key, known)}"
        binder.complain(tree.items[key].origin, key, message)
    return {k: item for k, item in tree.items.items() if k in known and item.value is not None}


def _with_defaults(sections: Mapping[str, Located], origin: Origin) -> dict[str, Located]:
    """Fill in the components that an experiment need not name."""
    filled = dict(sections)
    for key, kind in SINGLE.items():
        if kind.section.default is None:
            continue
        default = Located(kind.section.default, origin)
        section = sections.get(key, default)
        if isinstance(section.value, dict) and "name" not in section.value:
            section = Located({"name": default, **section.value}, section.origin)
        filled[key] = section
    return filled


def _requirements(tree: Mapping[str, Located], binder: SectionBinder) -> tuple[str, ...]:
    """The required distributions; those that are not installed are complaints."""
    section = tree.get("requires")
    if section is None:
        return ()
    requirements = plain(section)
    if not isinstance(requirements, list) or not all(isinstance(r, str) for r in requirements):
        binder.complain(section.origin, "requires", "should be a list such as [seqlab-foo>=0.2]")
        return ()
    for index, message in unmet_requirements(requirements):
        binder.plugin_at_fault |= message.startswith("needs")
        binder.complain(section.at([index]).origin, f"requires.{index}", message)
    return tuple(requirements)


def _bind_observers(
    tree: Mapping[str, Located], origin: Origin, binder: SectionBinder
) -> list[Bound]:
    """The observers that the experiment lists, in that order, and the console."""
    kind, section = KINDS["observer"], tree.get("observers", Located([], origin))
    if not isinstance(section.value, list):
        message = "should be a list of names or mappings"
        if isinstance(section.value, dict):
            message += "; none is listed, so give the whole: [{name: …}]"
        binder.complain(section.origin, "observers", message)
        return []
    bound: list[Bound] = []
    for index, item in enumerate(section.value):
        observer = binder.bind(kind, f"observers.{index}", item)
        if observer is None:
            continue
        if observer.as_section() in [other.as_section() for other in bound]:  # writes all twice
            name = observer.component.name
            message = f"observer '{name}' is listed before with the same options"
            binder.complain(item.origin, f"observers.{index}", message)
        bound.append(observer)
    always = kind.section.default
    if all(observer.component.name != always for observer in bound):
        added = binder.bind(kind, "observers", Located(always, section.origin))
        bound += [added] if added else []
    return bound
