"""Values as bytes, without code in them: their tensors in safetensors, their nesting in JSON."""

from __future__ import annotations

import json
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from seqlab.packing import pack, unpack


def as_bytes(value: Any) -> bytes:
    """Return a tree of plain values and tensors as JSON and a file of safetensors."""
    tensors: dict[str, Tensor] = {}
    nesting = json.dumps(pack(value, "", tensors)).encode()
    copies = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    return len(nesting).to_bytes(8, "little") + nesting + save(copies)


def from_bytes(data: bytes) -> Any:
    """Return what `as_bytes` was given, with tensors on the CPU."""
    end = 8 + int.from_bytes(data[:8], "little")
    return unpack(json.loads(data[8:end]), load(data[end:]))
