"""How the next token is chosen."""

from __future__ import annotations

from torch import Tensor

from seqlab import Decoder, hookimpl


class Greedy:
    """Always the most probable token; of equals, the one with the lowest id."""

    def choose(self, logits: Tensor, history: Tensor, uniform: Tensor) -> Tensor:
        return logits.argmax(-1)


@hookimpl
def seqlab_register_decoders() -> dict[str, type[Decoder]]:
    return {"greedy": Greedy}
