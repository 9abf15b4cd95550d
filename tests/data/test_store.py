"""Token ids on disk: what is written is what is read, and what is damaged is noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab import CorpusError
from seqlab.data.mapped_arrays import BLOCK
from seqlab.data.store import Damaged, open_store, write_store
from seqlab.data.tokens import Part

FIXTURE = Path(__file__).parents[1] / "fixtures" / "format1" / "store"
STORE = Path("store")
COUNT = 3 * BLOCK + 17


def parts(count: int = COUNT, *, weighted: bool = False, size: int = 1000):
    yield Part(np.empty(0, np.int64), begins=True)
    for start in range(0, count, size):
        ids = np.arange(start, min(start + size, count)) % 300
        yield Part(ids, ids / 2 if weighted and start else None, begins=start % 3000 == 0 < start)


def written(**options):
    write_store(STORE, parts(**options), 300, {"corpus": "counting"})
    return opened()


def opened(rebuild=pytest.fail):
    return open_store(STORE, rebuild)


def damage(name: str, offset: int) -> None:
    data = bytearray((STORE / name).read_bytes())
    data[offset] ^= 1
    (STORE / name).write_bytes(data)


def test_what_is_written_is_what_is_read():
    tokens = written(weighted=True)
    assert tokens.ids.dtype == np.uint16
    assert tokens.ids.tolist() == (np.arange(COUNT) % 300).tolist()
    assert tokens.documents.tolist() == [0, *range(3000, COUNT, 3000)]
    expected = np.where(np.arange(COUNT) < 1000, 1, np.arange(COUNT) % 300 / 2)
    assert np.array_equal(tokens.weights, expected.astype(np.float32))


def test_how_the_parts_come_does_not_show():
    contents = []
    for size in (1, 999, 100_000):
        write_store(Path(f"by-{size}"), parts(size=size), 300, {})
        contents.append(Path(f"by-{size}", "ids.bin").read_bytes())
    assert contents[0] == contents[1] == contents[2]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_every_index_gives_what_an_array_gives(data):
    plain = np.arange(3 * BLOCK) % 251
    folder = Path("indexed")
    if not folder.exists():
        write_store(folder, [Part(np.empty(0, np.int64), begins=True), Part(plain)], 251, {})
    stored = open_store(folder, pytest.fail).ids
    number = st.integers(-len(plain), len(plain) - 1)
    key = data.draw(
        st.one_of(
            number,
            st.slices(len(plain)),
            st.lists(number, max_size=5).map(lambda v: np.array(v, dtype=int)),
            st.lists(st.lists(number, min_size=2, max_size=2), min_size=1, max_size=4).map(
                np.array
            ),
            st.integers(0, 9).map(lambda n: plain == n),
        )
    )
    assert np.array_equal(stored[key], plain[key])


def test_an_index_beyond_the_end_is_refused_as_an_array_refuses_it():
    with pytest.raises(IndexError):
        written().ids[COUNT]


def test_nothing_is_read_before_it_is_asked_for():
    written()
    damage("ids.bin", 2 * BLOCK + 5)

    def rebuild():
        raise AssertionError("asked for")

    ids = opened(rebuild).ids
    assert ids[:100].tolist() == list(range(100))
    with pytest.raises(AssertionError, match="asked for"):
        ids[BLOCK + 5]


@pytest.mark.parametrize("name", ["ids.bin", "documents.bin", "weights.bin"])
def test_a_flipped_bit_is_noticed_when_its_block_is_read_and_the_store_built_anew(name, caplog):
    before = written(weighted=True)
    expected = [
        np.asarray(column).copy() for column in (before.ids, before.documents, before.weights)
    ]
    damage(name, 3)
    rebuilt = []

    def rebuild():
        rebuilt.append(name)
        shutil.rmtree(STORE)
        write_store(STORE, parts(weighted=True), 300, {})

    tokens = opened(rebuild)
    columns = [np.asarray(column) for column in (tokens.ids, tokens.documents, tokens.weights)]
    assert all(map(np.array_equal, columns, expected))
    assert rebuilt == [name]
    assert "is damaged; it is built anew" in caplog.text


def test_a_disk_that_damages_what_is_written_ends_in_one_line():
    written()
    damage("ids.bin", 0)
    with pytest.raises(CorpusError, match="damaged again right after it was written"):
        opened(lambda: None).ids[0]


@pytest.mark.parametrize("name", ["manifest.json", "checksums.bin", "ids.bin", "documents.bin"])
@pytest.mark.parametrize(
    "harm", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])]
)
def test_a_store_that_is_not_whole_is_not_opened(name, harm):
    written()
    harm(STORE / name)
    with pytest.raises(Damaged):
        opened()


def test_every_bit_of_the_manifest_counts():
    written()
    data = (STORE / "manifest.json").read_bytes()
    for bit in range(0, 8 * len(data), 7):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        (STORE / "manifest.json").write_bytes(changed)
        with pytest.raises(Damaged):
            opened()


@pytest.mark.parametrize("text", ["[]", "7", "null", '"a"', '{"sha256": []}', "[" * 100_000])
def test_a_manifest_that_is_another_json_is_damaged(text):
    written()
    (STORE / "manifest.json").write_text(text)
    with pytest.raises(Damaged):
        opened()


def test_a_store_of_nothing_is_refused_and_leaves_nothing():
    with pytest.raises(CorpusError, match="it has no token"):
        write_store(STORE, [Part(np.empty(0, np.int64), begins=True)], 300, {})
    assert list(Path().iterdir()) == []


def test_a_store_that_cannot_be_finished_leaves_nothing():
    def failing():
        yield from parts()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_store(STORE, failing(), 300, {})
    assert list(Path().iterdir()) == []


def test_memory_stays_small_however_much_is_read():
    tokens = written(count=600 * BLOCK)
    resident = []
    for start in range(0, len(tokens.ids), 64 * BLOCK):
        tokens.ids[start : start + BLOCK]
        status = Path("/proc/self/status").read_text() if Path("/proc/self").exists() else ""
        lines = [line for line in status.splitlines() if line.startswith("RssFile")]
        resident.append(int(lines[0].split()[1]) if lines else 0)
    assert max(resident) - resident[0] < 33 << 10  # kB


def test_a_store_of_format_1_can_be_read():
    known = json.loads((FIXTURE / "expected.json").read_text())
    tokens = open_store(FIXTURE, pytest.fail)
    assert tokens.ids.tolist() == known["ids"]
    assert tokens.documents.tolist() == known["documents"]
    assert tokens.weights.tolist() == known["weights"]
