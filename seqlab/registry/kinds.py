"""The eight kinds of component: which hook offers them and what seqlab supplies to a factory."""

from dataclasses import dataclass

from seqlab import hookspecs

EVENTS = frozenset(
    name
    for name in vars(hookspecs)
    if name.startswith("seqlab_") and not name.startswith("seqlab_register_")
)


@dataclass(frozen=True)
class Kind:
    """`supplied` are the names of a factory's positional parameters, in order."""

    name: str
    plural: str
    supplied: tuple[str, ...] = ()

    @property
    def hook(self) -> str:
        return f"seqlab_register_{self.plural}"


_ALL = (
    Kind("corpus", "corpora"),
    Kind("tokenizer", "tokenizers"),
    Kind("sampler", "samplers", ("tokens", "seed")),
    Kind("cell", "cells", ("input_size",)),
    Kind("optimizer", "optimizers", ("parameters",)),
    Kind("schedule", "schedules", ("optimizer", "total_steps")),
    Kind("decoder", "decoders"),
    Kind("observer", "observers"),
)
KINDS = {kind.name: kind for kind in _ALL}
