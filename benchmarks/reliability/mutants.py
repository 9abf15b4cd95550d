"""Bytes in -> the same bytes, damaged."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence


def flipped(data: bytes, chance: random.Random) -> bytes:
    """One bit is another."""
    bit = chance.randrange(len(data) * 8)
    return with_bit_flipped(data, bit)


def with_bit_flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def truncated(data: bytes, chance: random.Random) -> bytes:
    """The end is missing, perhaps all of it."""
    return data[: chance.randrange(len(data))]


def without_a_part(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    return data[:start] + data[start + chance.randint(1, 16) :]


def with_a_part_doubled(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    stop = start + chance.randint(1, 64)
    return data[:stop] + data[start:]


def with_noise(data: bytes, chance: random.Random) -> bytes:
    """Some random bytes more."""
    start = chance.randrange(len(data) + 1)
    return data[:start] + chance.randbytes(chance.randint(1, 8)) + data[start:]


def overwritten(data: bytes, chance: random.Random) -> bytes:
    """Some bytes are others: a value with special bits set, or any."""
    start = chance.randrange(len(data))
    size = chance.choice((1, 2, 4, 8))
    new = chance.choice((b"\0" * size, b"\xff" * size, chance.randbytes(size)))
    return data[:start] + new + data[start + size :]


Mutation = Callable[[bytes, random.Random], bytes]
DAMAGE: Sequence[Mutation] = (
    flipped,
    truncated,
    without_a_part,
    with_a_part_doubled,
    with_noise,
    overwritten,
)
