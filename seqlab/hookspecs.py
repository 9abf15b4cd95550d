"""Every hook of seqlab.

A plugin is a module that offers components: it implements the `seqlab_register_*` hooks, which
return names and factories. Events are sent to observers, which are components themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import pluggy

from seqlab.contracts import (
    Cell,
    Corpus,
    Decoder,
    Embedding,
    EvaluationMethod,
    Exporter,
    Head,
    Metric,
    Objective,
    Observer,
    RemembersChoices,
    Sampler,
    SearchDecoder,
    Tokenizer,
)
from seqlab.records import (
    CheckpointSaved,
    EpochEnded,
    Evaluated,
    RunEnded,
    RunStarted,
    StepEnded,
    TextGenerated,
)

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from seqlab.experiment.kinds import Kind

API = 2
"""The version of hooks and contracts. They only grow: a version includes all earlier ones.

A plugin may declare `SEQLAB_API = 2` at its top; an older seqlab then refuses it with a clear
message. What API 2 adds to API 1: components as options of components, kinds of one's own, the
kinds embedding, head, objective, metric, evaluation method and exporter; decoders that name
`tokenizer`, `prefix_lengths` and `memory`, `Start.read`; optimizers with `train` and `eval`, or
with closures; `Stop` and norms for observers.
"""

hookimpl = pluggy.HookimplMarker("seqlab")
hookspec = pluggy.HookspecMarker("seqlab")

AnyDecoder: TypeAlias = Decoder | RemembersChoices | SearchDecoder


@hookspec
def seqlab_register_corpora() -> Mapping[str, Callable[..., Corpus]]:
    """Offer corpora by name. Factory: `(*, options)`."""


@hookspec
def seqlab_register_tokenizers() -> Mapping[str, Callable[..., Tokenizer]]:
    """Offer tokenizers by name. Factory: `(*, options)`."""


@hookspec
def seqlab_register_samplers() -> Mapping[str, Callable[..., Sampler]]:
    """Offer samplers by name. Factory: `(tokens, seed, *, options)`."""


@hookspec
def seqlab_register_cells() -> Mapping[str, Callable[..., Cell]]:
    """Offer cells by name. Factory: `(input_size, *, options)`."""


@hookspec
def seqlab_register_embeddings() -> Mapping[str, Callable[..., Embedding]]:
    """Offer embeddings by name. Factory: `(vocabulary, *, options)`."""


@hookspec
def seqlab_register_heads() -> Mapping[str, Callable[..., Head]]:
    """Offer heads by name. Factory: `(input_size, vocabulary, *, options)`."""


@hookspec
def seqlab_register_objectives() -> Mapping[str, Callable[..., Objective]]:
    """Offer objectives by name. Factory: `(*, options)`; offers `vocabulary`, `hidden_size`."""


@hookspec
def seqlab_register_metrics() -> Mapping[str, Callable[..., Metric]]:
    """Offer metrics of evaluations by name. Factory: `(*, options)`."""


@hookspec
def seqlab_register_evaluation_methods() -> Mapping[str, Callable[..., EvaluationMethod]]:
    """Offer methods of evaluation by name. Factory: `(*, options)`; offers `training`."""


@hookspec
def seqlab_register_optimizers() -> Mapping[str, Callable[..., Optimizer]]:
    """Offer optimizers by name. Factory: `(parameters, *, options)`."""


@hookspec
def seqlab_register_schedules() -> Mapping[str, Callable[..., LRScheduler]]:
    """Offer schedules of the learning rate. Factory: `(optimizer, total_steps, *, options)`.

    Offers `epoch_of`, a function that says of which epoch a step is, both from 0.
    """


@hookspec
def seqlab_register_decoders() -> Mapping[str, Callable[..., AnyDecoder]]:
    """Offer decoders by name. Factory: `(*, options)`, before the `*` also `tokenizer`, if wanted.

    The tokenizer is the fitted one of the run.
    """


@hookspec
def seqlab_register_observers() -> Mapping[str, Callable[..., Observer]]:
    """Offer observers by name. Factory: `(*, options)`."""


@hookspec
def seqlab_register_exporters() -> Mapping[str, Callable[..., Exporter]]:
    """Offer exporters of trained models by name. Factory: `(*, options)`."""


@hookspec
def seqlab_register_kinds() -> Sequence[Kind]:
    """Declare kinds of component of your own, for options of your components.

    Components of a kind are offered by a hook of its own: it begins with the name of your
    distribution (of a file: its stem), as in `seqlab_foo_register_rewards`.
    """


@hookspec
def seqlab_run_started(record: RunStarted) -> None:
    """Everything is built; the first step is next."""


@hookspec
def seqlab_step_ended(record: StepEnded) -> None:
    """The optimizer took a step; sent every `step_interval` steps of the observer."""


@hookspec
def seqlab_epoch_ended(record: EpochEnded) -> None:
    """All batches of an epoch were trained, or the run ends within it."""


@hookspec
def seqlab_evaluated(record: Evaluated) -> None:
    """A split was scored."""


@hookspec
def seqlab_text_generated(record: TextGenerated) -> None:
    """A sample prefix of the experiment was continued."""


@hookspec
def seqlab_checkpoint_saved(record: CheckpointSaved) -> None:
    """A checkpoint is on disk."""


@hookspec
def seqlab_run_ended(record: RunEnded) -> None:
    """The last event, also if the run failed or was interrupted."""


EVENTS = frozenset(
    name for name in globals() if name.startswith("seqlab_") and "_register_" not in name
)
