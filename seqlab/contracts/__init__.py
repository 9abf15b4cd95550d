"""The contract of each kind of component.

The contracts are structural: a component need not inherit from anything here. What is listed as
optional is looked up with `offered`. Optional for every kind: `condition_here() -> str`, which
`seqlab doctor` prints: how the component works on this machine. Optional for every factory:
`later_options`, names of options that a later version of it brought: with their defaults they are
left out of an experiment's hash and of `resolved.yaml`, as if they were not there.
"""

from seqlab.contracts.data import Batch, Corpus, Document, Ids, Sampler, Tokenizer, Weighted
from seqlab.contracts.decoding import (
    COMPLETE,
    ENDINGS,
    STUCK,
    Advance,
    Continuation,
    Decoder,
    Limits,
    RemembersChoices,
    SearchDecoder,
    Start,
)
from seqlab.contracts.exporting import Exporter, TrainedRun
from seqlab.contracts.model import (
    Cell,
    Embedding,
    GreedySteps,
    Head,
    IdStep,
    NamedParameters,
    State,
)
from seqlab.contracts.observing import Observer
from seqlab.contracts.optional import offered
from seqlab.contracts.training import EvaluationMethod, Metric, Objective, Terms, Window

__all__ = [
    "COMPLETE",
    "ENDINGS",
    "STUCK",
    "Advance",
    "Batch",
    "Cell",
    "Continuation",
    "Corpus",
    "Decoder",
    "Document",
    "Embedding",
    "EvaluationMethod",
    "Exporter",
    "GreedySteps",
    "Head",
    "IdStep",
    "Ids",
    "Limits",
    "Metric",
    "NamedParameters",
    "Objective",
    "Observer",
    "RemembersChoices",
    "Sampler",
    "SearchDecoder",
    "Start",
    "State",
    "Terms",
    "Tokenizer",
    "TrainedRun",
    "Weighted",
    "Window",
    "offered",
]
