"""Random numbers as pure functions of a seed and a purpose; no generator keeps a state."""

from __future__ import annotations

from hashlib import blake2b
from operator import index
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

UInt64 = NDArray[np.uint64]


def derive(seed: int, *purpose: int | str) -> int:
    """Hash all arguments to a 63-bit number, the same on every machine."""
    parts = tuple(p if isinstance(p, str) else index(p) for p in (seed, *purpose))
    digest = blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def scramble(values: UInt64) -> UInt64:
    """Mix 64 bits, one to one: the finalizer of SplitMix64.

    Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def uniforms(seed: int, rows: NDArray[np.int64], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each pair of row and step."""
    key = np.uint64(derive(seed, "uniform"))
    mixed = scramble(scramble(rows.astype(np.uint64) + key) + steps.astype(np.uint64))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def reseed(seed: int, device: torch.device) -> None:
    """Seed torch's generators on the CPU and on `device`."""
    import torch

    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
