"""States as a checkpoint saves them."""

from __future__ import annotations

import json
from typing import Any

from torch import Tensor

from seqlab.packing import pack, unpack


def saved_and_loaded(state: Any) -> Any:
    """A state as it comes back from a checkpoint."""
    tensors: dict[str, Tensor] = {}
    text = json.dumps(pack(state, "state", tensors))
    copies = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    return unpack(json.loads(text), copies)
