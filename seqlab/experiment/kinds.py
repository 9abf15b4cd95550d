"""The kinds of component, one declaration each: everything else about a kind follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from seqlab import contracts
from seqlab.experiment.sections import CorpusKeys, OptimizerKeys
from seqlab.part_corpora import part_corpus
from seqlab.part_problems import (
    cell_problem,
    embedding_problem,
    head_problem,
    optimizer_problem,
    schedule_problem,
)


@dataclass(frozen=True)
class Section:
    """The section of an experiment that names a component of a kind.

    Args:
        key: of the section; empty: there is none: other components, or a command, name the kind.
        default: the component of an experiment without the section.
        required: whether every experiment has it.
        listed: whether it is a list of components, to which the default is added.
        keys: a dataclass of the keys in it that the core reads, whatever the component.
        inside: those of the keys that a component may have as a part of another one, too.
        later: whether it came later: with the default as it is, it is left out of the hash of an
            experiment (see `experiment/later_keys.py`).
    """

    key: str = ""
    default: str | None = None
    required: bool = False
    listed: bool = False
    keys: type | None = None
    inside: tuple[str, ...] = ()
    later: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of component.

    Args:
        name: in YAML and in messages.
        plural: of the name; the hook and the checks are named by it.
        what: what a component does, for people.
        promises: the contracts, of which a component keeps one; their methods are expected of it.
        supplied: names of the positional parameters of a factory, in order.
        offers: what a factory gets in addition if it names it, as a parameter after those, in any
            order; it is passed by its name.
        problem: says what is wrong with a part that a factory made, as in "should be a tensor, and
            is an int"; an empty text: nothing.
        part: makes a component that is a part of another one, given what makes it and the values of
            the keys that `section` allows inside.
        section: where an experiment names it.
        command: what uses a component that no section names: words, with `NAME` for its name.
        checks: the module whose public functions check what is promised; empty: there is none.
        owner: begins the name of the hook; seqlab fills it in.
    """

    name: str
    plural: str
    what: str
    promises: tuple[type, ...] = ()
    supplied: tuple[str, ...] = ()
    offers: tuple[str, ...] = field(default=(), kw_only=True)
    problem: Callable[[Any], str] | None = None
    part: Callable[[Callable[..., Any], Mapping[str, Any]], Any] | None = None
    section: Section = Section()
    checks: str = ""
    command: str = field(default="", kw_only=True)
    owner: str = "seqlab"

    @property
    def hook(self) -> str:
        """The name of the hook that offers components of the kind."""
        return f"{self.owner}_register_{self.plural}"

    @cached_property
    def methods(self) -> tuple[tuple[str, ...], ...]:
        """The methods that each contract expects."""
        return tuple(tuple(_methods(promise)) for promise in self.promises)


def _methods(promise: type) -> Iterator[str]:
    for name, value in vars(promise).items():
        if callable(value) and (name == "__len__" or not name.startswith("_")):
            yield name


_BUILT_IN = (
    Kind(
        name="corpus",
        plural="corpora",
        checks="seqlab.testing.corpora",
        what="a source of text",
        promises=(contracts.Corpus,),
        part=part_corpus,
        section=Section(
            "corpus",
            required=True,
            keys=CorpusKeys,
            inside=("max_characters", "if_unavailable"),
        ),
    ),
    Kind(
        name="tokenizer",
        plural="tokenizers",
        checks="seqlab.testing.tokenizers",
        what="text to token ids and back",
        promises=(contracts.Tokenizer,),
        section=Section("tokenizer", default="characters"),
    ),
    Kind(
        name="sampler",
        plural="samplers",
        checks="seqlab.testing.samplers",
        what="draws training windows",
        promises=(contracts.Sampler,),
        supplied=("tokens", "seed"),
        section=Section("sampler", required=True),
    ),
    Kind(
        name="cell",
        plural="cells",
        checks="seqlab.testing.cells",
        what="maps a window of inputs to a window of outputs",
        promises=(contracts.Cell,),
        supplied=("input_size",),
        problem=cell_problem,
        section=Section("cell", required=True),
    ),
    Kind(
        name="embedding",
        plural="embeddings",
        checks="seqlab.testing.embeddings",
        what="maps token ids to vectors",
        promises=(contracts.Embedding,),
        supplied=("vocabulary",),
        problem=embedding_problem,
    ),
    Kind(
        name="head",
        plural="heads",
        checks="seqlab.testing.heads",
        what="maps hidden outputs to logits",
        promises=(contracts.Head,),
        supplied=("input_size", "vocabulary"),
        problem=head_problem,
    ),
    Kind(
        name="objective",
        plural="objectives",
        checks="seqlab.testing.objectives",
        what="what training minimises",
        promises=(contracts.Objective,),
        offers=("vocabulary", "hidden_size"),
        section=Section("objective", default="next_token", later=True),
    ),
    Kind(
        name="metric",
        plural="metrics",
        checks="seqlab.testing.metrics",
        what="a number beside the loss of an evaluation",
        promises=(contracts.Metric,),
    ),
    Kind(
        name="evaluation_method",
        plural="evaluation_methods",
        checks="seqlab.testing.evaluation_methods",
        what="scores a split in a way of its own",
        promises=(contracts.EvaluationMethod,),
        offers=("training",),
    ),
    Kind(
        name="optimizer",
        plural="optimizers",
        checks="seqlab.testing.optimizers",
        what="updates the parameters",
        supplied=("parameters",),
        problem=optimizer_problem,
        section=Section("optimizer", required=True, keys=OptimizerKeys),
    ),
    Kind(
        name="schedule",
        plural="schedules",
        checks="seqlab.testing.schedules",
        what="sets the learning rate of each step",
        supplied=("optimizer", "total_steps"),
        offers=("epoch_of",),
        problem=schedule_problem,
        section=Section("schedule", default="constant"),
    ),
    Kind(
        name="decoder",
        plural="decoders",
        checks="seqlab.testing.decoders",
        what="chooses the tokens of a continuation",
        promises=(contracts.Decoder, contracts.SearchDecoder),
        offers=("tokenizer",),
        section=Section("decoder", default="greedy"),
    ),
    Kind(
        name="observer",
        plural="observers",
        checks="seqlab.testing.observers",
        what="is told what happens in a run",
        promises=(contracts.Observer,),
        section=Section("observers", default="console", listed=True),
    ),
    Kind(
        name="exporter",
        plural="exporters",
        checks="seqlab.testing.exporters",
        what="writes a trained model in another form",
        promises=(contracts.Exporter,),
        command="seqlab export latest --to NAME",
    ),
)
KINDS = {kind.name: kind for kind in _BUILT_IN}
SINGLE = {
    kind.section.key: kind for kind in _BUILT_IN if kind.section.key and not kind.section.listed
}
"""The kinds of which an experiment has one component, by the key of their section."""
REQUIRED_SECTIONS = (*(key for key, kind in SINGLE.items() if kind.section.required), "train")
