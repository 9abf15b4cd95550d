"""Damaged text, gzip and zip files: what is still text loads as it is, anything else is refused."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqlab_plugins.corpora.text import Text

from benchmarks.reliability.mutants import DAMAGE
from benchmarks.reliability.outcome import Outcome, chance_of, scaled
from seqlab.contracts import Document
from seqlab.documents import text_pieces
from seqlab.errors import CorpusError

MUTANTS = 5000
SECONDS = 1.0  # of processor time
TEXTS = {
    "utf-8": "\ufeff分开,不分开\r\nthe quick brown fox 𝄞\n" * 20,
    "utf-16": "一边一边\n" * 30,
    "gb18030": "分开 €\n" * 30,
    "latin-1": "Où est la forêt ?\n" * 20,
}
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
OTHER_METHODS = (0, 1, 8, 9, 12, 14, 93, 95, 98, 99)
LARGEST_EXPANSION = 200  # times the packed bytes, and at least 16 MiB: more is no text
LEAST_SUSPICIOUS = 16 << 20


@dataclass(frozen=True)
class Packed:
    """A corpus as a file; `suffix` says how it is packed."""

    suffix: str
    encoding: str
    data: bytes
    member: str | None = None


def check(share: float) -> Outcome:
    count, chance = scaled(MUTANTS, share), chance_of(0)
    originals = _originals()
    results: Counter[str] = Counter()
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            packed = _mutant(originals[number % len(originals)], chance)
            verdict, fault = _compare(Path(folder), packed)
            results[verdict] += 1
            missed += [f"mutant {number} ({packed.suffix}, {packed.encoding}): {fault}"] * bool(
                fault
            )
    return Outcome(
        "damaged text, gzip and zip corpora, against an independent reading",
        f"{count:,} mutants: {results['loads']:,} still text, loaded and equal;"
        f" {results['refused']:,} refused with one message; other exceptions or slow:"
        f" {len(missed):,}",
        missed,
    )


def _originals() -> list[Packed]:
    plain = {encoding: text.encode(encoding) for encoding, text in TEXTS.items()}
    files = [Packed(".txt", encoding, data) for encoding, data in plain.items()]
    files += [Packed(".gz", encoding, gzip.compress(data)) for encoding, data in plain.items()]
    text = plain["utf-8"]
    files += [Packed(".zip", "utf-8", _zip({"a.txt": text}, method)) for method in METHODS]
    several = _zip({"b.txt": text, "__MACOSX/b.txt": b"\0", "c.txt": b"c"}, zipfile.ZIP_DEFLATED)
    return [*files, Packed(".zip", "utf-8", several, "b.txt"), Packed(".zip", "utf-8", several)]


def _zip(members: dict[str, bytes], method: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _mutant(packed: Packed, chance: random.Random) -> Packed:
    data = packed.data
    if chance.random() < 0.4 and packed.suffix == ".zip":
        data = _other_header(data, chance)
    else:
        for _ in range(chance.choice((1, 1, 2))):
            data = chance.choice(DAMAGE)(data, chance) if data else data
    return Packed(packed.suffix, packed.encoding, data, packed.member)


def _other_header(data: bytes, chance: random.Random) -> bytes:
    """Change a field of one of the headers of a zip, or give it another method in all of them."""
    places = [i for i in range(len(data) - 3) if data[i : i + 2] == b"PK" and data[i + 2] < 8]
    changed = bytearray(data)
    if chance.random() < 0.3:
        method = struct.pack("<H", chance.choice(OTHER_METHODS))
        for place in places:
            start = place + {b"\x03\x04": 8, b"\x01\x02": 10}.get(data[place + 2 : place + 4], 0)
            changed[start : start + 2] = method
        return bytes(changed)
    start = chance.choice(places) + chance.randrange(4, 46)
    new = struct.pack("<I", chance.choice((0, 1, 0xFFFF, 2**31, 2**32 - 1, chance.getrandbits(32))))
    changed[start : start + chance.choice((1, 2, 4))] = new[: chance.choice((1, 2, 4))]
    return bytes(changed)


def _compare(folder: Path, packed: Packed) -> tuple[str, str]:
    """What the corpus does with a file, and what is wrong with that."""
    path = folder / f"corpus{packed.suffix}"
    path.write_bytes(packed.data)
    expected = _independently(packed)
    begun = time.process_time()
    try:
        found = _text(
            Text(path=path, encoding=packed.encoding, newlines="keep", member=packed.member)
        )
    except CorpusError as error:
        return "refused", f"is text, but: {error}" if expected is not None else ""
    except Exception as error:
        return "raised", f"{type(error).__name__}: {error}"
    seconds = time.process_time() - begun
    if seconds > SECONDS:
        return "slow", f"{seconds:.1f} s"
    return "loads", "" if found == expected else f"loads {found[:20]!r} for {str(expected)[:20]!r}"


def _text(corpus: Text) -> str:
    documents: Sequence[Document] = list(corpus.documents("train"))
    text = "".join(piece for document in documents for piece in text_pieces(document))
    assert corpus.fingerprint()
    return text


def _independently(packed: Packed) -> str | None:
    """The text of a file by the standard library's shortest way; None: it is none."""
    try:
        data, size = _unpacked(packed)
        text = data.decode(packed.encoding)
    except Exception:  # whatever is wrong with it
        return None
    if not size or len(data) > max(LEAST_SUSPICIOUS, LARGEST_EXPANSION * size):
        return None
    return text.removeprefix("\ufeff") if packed.encoding == "utf-8" else text


def _unpacked(packed: Packed) -> tuple[bytes, int]:
    """The bytes, and how many packed ones they come from."""
    if packed.suffix == ".gz":
        return gzip.decompress(packed.data), len(packed.data)
    if packed.suffix == ".txt":
        return packed.data, len(packed.data)
    with zipfile.ZipFile(io.BytesIO(packed.data)) as archive:
        inside = {i.filename: i for i in archive.infolist() if not i.is_dir()}
        (only,) = (
            [packed.member]
            if packed.member in inside
            else [name for name in inside if not name.startswith("__MACOSX/")]
        )
        if packed.member not in (None, only):
            raise KeyError(packed.member)
        return archive.read(inside[only]), inside[only].compress_size
