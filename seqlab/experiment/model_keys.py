"""Keys of the section `model` that are mappings themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Gt, MinLen

from seqlab.options import Finite, Share

Pattern = Annotated[str, MinLen(1)]


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """Shares that are set to zero in training, each of its own place.

    Args:
        embedding: of vectors that are not one-hot.
        layers: of what goes from layer to layer.
        outputs: of the last outputs, which the head reads.
        locked: draw one mask for all steps of a window (Gal and Ghahramani, 2016).
    """

    embedding: Share = 0.0
    layers: Share = 0.0
    outputs: Share = 0.0
    locked: bool = False


@dataclass(frozen=True, kw_only=True)
class Initial:
    """Initial weights of some parameters, in place of those of their module: one of four.

    Args:
        match: patterns of their names, such as `*.bias_hh*`; both names of a tied weight count.
        range: uniform between minus this and this.
        orthogonal: an orthogonal matrix; where several square ones lie one upon another, as those
            of gates do, each by itself.
        value: the same number everywhere.
        forget_bias: this number in the second quarter of a vector, where torch has the bias of the
            forget gate of an LSTM; the rest stays.
    """

    match: list[Pattern] = field(default_factory=lambda: ["*"])
    range: Annotated[float, Gt(0), Finite()] | None = None
    orthogonal: bool = False
    value: Annotated[float, Finite()] | None = None
    forget_bias: Annotated[float, Finite()] | None = None
