"""Bits of a checkpoint turn, files end too early: none of it is overlooked."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch

import seqlab
from benchmarks.reliability.mutants import flipped, truncated, with_bit_flipped
from benchmarks.reliability.outcome import Outcome, chance_of, scaled
from benchmarks.reliability.small import quietly, small_experiment
from seqlab.errors import CheckpointError
from seqlab.training.checkpoint import MANIFEST, STATE, WEIGHTS, load_checkpoint

DAMAGES = 2000
FILES = (WEIGHTS, STATE, MANIFEST)


def check(share: float) -> Outcome:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, quietly():
        place = _checkpoint(Path(folder))
        bits = len((place / MANIFEST).read_bytes()) * 8
        results = list(_random(place, scaled(DAMAGES, share)))
        every = list(_every_bit(place, scaled(bits, share, least=2000)))
    found, exhaustive = Counter(results), Counter(every)
    return Outcome(
        "bit flips and truncations over all files of a checkpoint; each bit of the manifest",
        f"{found['']:,} of {len(results):,} detected; {exhaustive['']:,} of {len(every):,} bits of"
        " the manifest",
        [line for line in (*results, *every) if line],
    )


def _checkpoint(folder: Path) -> Path:
    run = seqlab.run(small_experiment(folder), run_dir=folder / "run")
    (place,) = sorted(run.folder.checkpoints.iterdir())[-1:]
    return place


def _random(place: Path, count: int) -> Iterator[str]:
    """Damage one file after the other; one line each, empty where it was detected."""
    chance = chance_of(0)
    for number in range(count):
        name = FILES[number % len(FILES)]
        damage = chance.choice((flipped, flipped, flipped, truncated))
        whole = (place / name).read_bytes()
        yield _detected(place, name, whole, damage(whole, chance), damage.__name__)


def _every_bit(place: Path, count: int) -> Iterator[str]:
    """Flip every bit of the manifest in turn, or `count` of them that lie evenly."""
    whole = (place / MANIFEST).read_bytes()
    for number in range(count):
        bit = number * len(whole) * 8 // count
        yield _detected(place, MANIFEST, whole, with_bit_flipped(whole, bit), f"bit {bit}")


def _detected(place: Path, name: str, whole: bytes, damaged: bytes, how: str) -> str:
    (place / name).write_bytes(damaged)
    try:
        load_checkpoint(place)
    except CheckpointError:
        return ""
    except Exception as error:
        return f"{name}, {how}: {type(error).__name__}: {error}"
    finally:
        (place / name).write_bytes(whole)
    return f"{name}, {how}: silent"
