"""States as bytes, without code in them: their tensors in safetensors, their nesting in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch
from safetensors.torch import load, save
from torch import Tensor

from seqlab.contracts import State
from seqlab.packing import pack, unpack


def as_bytes(states: Sequence[State]) -> bytes:
    """Return states as a line of JSON and a file of safetensors."""
    tensors: dict[str, Tensor] = {}
    nesting = json.dumps(pack(list(states), "", tensors)).encode()
    copies = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    return len(nesting).to_bytes(8, "little") + nesting + save(copies)


def from_bytes(data: bytes, device: torch.device) -> list[State]:
    """Return what `as_bytes` was given, on a device."""
    end = 8 + int.from_bytes(data[:8], "little")
    tensors = {name: tensor.to(device) for name, tensor in load(data[end:]).items()}
    states: list[State] = unpack(json.loads(data[8:end]), tensors)
    return states
