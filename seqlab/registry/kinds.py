"""The eight kinds of component: their hooks, and what seqlab passes to their factories."""

from dataclasses import dataclass

from seqlab import hookspecs

EVENTS = frozenset(
    name
    for name in vars(hookspecs)
    if name.startswith("seqlab_") and not name.startswith("seqlab_register_")
)


@dataclass(frozen=True)
class Kind:
    """A kind of component.

    `supplied` are the names of a factory's positional parameters, in order; `methods` the required
    methods of a component, in each of the forms that the kind has.
    """

    name: str
    plural: str
    supplied: tuple[str, ...] = ()
    methods: tuple[tuple[str, ...], ...] = ()

    @property
    def hook(self) -> str:
        return f"seqlab_register_{self.plural}"


_ALL = (
    Kind("corpus", "corpora", methods=(("documents", "fingerprint"),)),
    Kind(
        "tokenizer",
        "tokenizers",
        methods=(("fit", "encode", "token_bytes", "state_dict", "load_state_dict"),),
    ),
    Kind("sampler", "samplers", ("tokens", "seed"), (("__len__", "batch", "left_out"),)),
    Kind("cell", "cells", ("input_size",)),
    Kind("optimizer", "optimizers", ("parameters",)),
    Kind("schedule", "schedules", ("optimizer", "total_steps")),
    Kind("decoder", "decoders", methods=(("choose",), ("search",))),
    Kind("observer", "observers"),
)
KINDS = {kind.name: kind for kind in _ALL}
