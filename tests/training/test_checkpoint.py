"""Checkpoints: what comes back, what is noticed, what a failure leaves behind."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.errors import CheckpointError, RunFailed
from seqlab.training.checkpoint import (
    Checkpoint,
    checkpoint_path,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
    steps_saved,
)

FILES = ("model.safetensors", "state.safetensors", "manifest.json")
WEIGHTS = {"head.weight": torch.arange(6.0).view(2, 3)}
scalars = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
keys = st.text() | st.integers() | st.tuples(st.integers(), st.text())
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner),
    max_leaves=12,
)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "checkpoints"


@pytest.fixture
def saved(folder) -> Path:
    state = {"state": {0: {"step": torch.tensor(3.0)}}, "betas": (0.9, 0.999), "text": "分开"}
    return save_checkpoint(folder, Checkpoint(7, WEIGHTS, state))


@pytest.fixture
def back(folder):
    """The state that comes back for one that is saved."""

    def back(state):
        return load_checkpoint(save_checkpoint(folder, Checkpoint(1, WEIGHTS, state))).state

    return back


def typed(tree):
    """A tree with the type of everything in it, so that 1, 1.0, True and (1,), [1] differ."""
    if isinstance(tree, dict):
        return [(typed(key), typed(value)) for key, value in tree.items()]
    items = [typed(item) for item in tree] if isinstance(tree, list | tuple) else repr(tree)
    return type(tree).__name__, items


@settings(deadline=None, max_examples=40)
@given(trees)
def test_every_tree_of_plain_values_comes_back_with_its_types(tmp_path_factory, tree):
    path = save_checkpoint(tmp_path_factory.mktemp("tree"), Checkpoint(1, WEIGHTS, tree))
    assert typed(load_checkpoint(path).state) == typed(tree)


def test_numbers_that_are_not_finite_come_back(back):
    first, *rest = back([math.nan, math.inf, -math.inf, -0.0])
    assert math.isnan(first)
    assert rest == [math.inf, -math.inf, 0.0]
    assert math.copysign(1, rest[2]) == -1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64])
def test_tensors_come_back_to_the_bit(back, dtype):
    tensor = (torch.randn(5, 3, generator=torch.Generator().manual_seed(0)) * 100).to(dtype)
    assert back({"t": tensor})["t"].equal(tensor)
    assert back({"t": tensor})["t"].dtype == dtype


def test_views_come_back_as_the_values_that_they_show(back):
    whole = torch.arange(12.0).view(3, 4)
    views = (whole.t(), whole[:, ::2], whole[1:], whole[0, 0], whole.expand(2, 3, 4))
    assert all(map(torch.equal, back(views), views))


def test_tensors_that_share_memory_come_back_each_with_its_values(folder):
    weights = {"embedding.weight": WEIGHTS["head.weight"], **WEIGHTS}
    path = save_checkpoint(folder, Checkpoint(1, weights, [weights["head.weight"]] * 2))
    loaded = load_checkpoint(path)
    tensors = [*loaded.weights.values(), *loaded.state]
    assert len(tensors) == 4
    assert all(tensor.equal(WEIGHTS["head.weight"]) for tensor in tensors)


def test_what_is_loaded_is_as_it_was_when_it_was_saved(folder):
    tensor = torch.zeros(2)
    path = save_checkpoint(folder, Checkpoint(1, {"w": tensor}, {}))
    tensor += 1
    assert load_checkpoint(path).weights["w"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "state",
    [
        {1: torch.tensor(1.0), "1": torch.tensor(2.0)},
        {"a/b": torch.tensor(1.0), "a": {"b": torch.tensor(2.0)}},
        {(0, 1): torch.tensor(1.0), "(0, 1)": torch.tensor(2.0)},
    ],
)
def test_keys_that_read_alike_keep_their_own_tensors(back, state):
    assert str(back(state)) == str(state)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_noticed_and_its_file_named(saved, name):
    whole = (saved / name).read_bytes()
    for index in range(0, len(whole), max(1, len(whole) // 60)):
        changed = bytes([whole[index] ^ 0x01])
        (saved / name).write_bytes(whole[:index] + changed + whole[index + 1 :])
        with pytest.raises(CheckpointError, match=f"{name}: is damaged"):
            load_checkpoint(saved)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0, 1, -1])
def test_a_file_that_is_cut_short_is_noticed(saved, name, kept):
    (saved / name).write_bytes((saved / name).read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=f"{name}: is damaged"):
        load_checkpoint(saved)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name}: cannot be read"):
        load_checkpoint(saved)


def test_a_missing_checkpoint_is_named(folder):
    with pytest.raises(CheckpointError, match="step-00000003"):
        load_checkpoint(checkpoint_path(folder, 3))


def test_files_of_two_checkpoints_cannot_be_mixed(saved, folder):
    other = save_checkpoint(folder, Checkpoint(8, {"head.weight": torch.zeros(2, 3)}, {}))
    (saved / FILES[0]).write_bytes((other / FILES[0]).read_bytes())
    with pytest.raises(CheckpointError, match=f"{FILES[0]}: is damaged"):
        load_checkpoint(saved)


def rewrite_manifest(path, **changes):
    """Change a manifest, and its hash with it."""
    file = path / "manifest.json"
    manifest = json.loads(file.read_bytes()) | changes
    del manifest["sha256"]
    hashed = json.dumps(manifest, sort_keys=True).encode()
    manifest["sha256"] = hashlib.sha256(hashed).hexdigest()
    file.write_text(json.dumps(manifest, ensure_ascii=False, indent=1), "utf-8")


@pytest.mark.parametrize("step", ["7", -1, None, 1.5, True, 1 << 63])
def test_a_step_that_is_none_is_refused_though_its_hash_is_right(folder, step):
    path = save_checkpoint(folder, Checkpoint(3, {}, {}))
    rewrite_manifest(path, step=step)
    with pytest.raises(CheckpointError, match=r"manifest.json: is damaged"):
        load_checkpoint(path)


def test_a_format_of_the_future_is_refused_by_its_number(saved):
    rewrite_manifest(saved, format=2)
    with pytest.raises(CheckpointError, match=r"manifest\.json: has format 2; this seqlab reads 1"):
        load_checkpoint(saved)


def fail_at(monkeypatch, call, *names):
    """Let the disk be full at one of the calls of some functions of `os`."""
    calls = []

    def failing(real):
        def called(*arguments, **options):
            calls.append(arguments)
            if len(calls) == call:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **options)

        return called

    for name in names:
        monkeypatch.setattr(os, name, failing(getattr(os, name)))


@pytest.mark.parametrize("step", [7, 8])
@pytest.mark.parametrize(
    ("call", "functions"),
    [*((call, ["fsync"]) for call in (1, 2, 3, 4)), (1, ["rename", "replace"])],
    ids=["first file", "second file", "third file", "folder", "rename"],
)
def test_a_write_that_fails_leaves_what_was_there_and_no_litter(
    saved, folder, monkeypatch, step, call, functions
):
    fail_at(monkeypatch, call, *functions)
    with pytest.raises(RunFailed, match="No space left on device"):
        save_checkpoint(folder, Checkpoint(step, {"head.weight": torch.zeros(2, 3)}, {}))
    assert load_checkpoint(saved).weights["head.weight"].equal(WEIGHTS["head.weight"])
    assert [path.name for path in folder.iterdir()] == [saved.name]


def test_a_state_that_cannot_be_saved_is_named_and_leaves_no_litter(saved, folder):
    with pytest.raises(Exception, match=r"/observers/0: .* not <class 'object'>"):
        save_checkpoint(folder, Checkpoint(8, WEIGHTS, {"observers": [object()]}))
    assert [path.name for path in folder.iterdir()] == [saved.name]


def test_a_checkpoint_of_the_same_step_is_replaced(saved, folder):
    save_checkpoint(folder, Checkpoint(7, {"head.weight": torch.zeros(2, 3)}, {}))
    assert not load_checkpoint(saved).weights["head.weight"].any()
    assert [path.name for path in folder.iterdir()] == [saved.name]


def test_steps_are_listed_in_order_and_without_what_is_unfinished(folder):
    for step in (10, 2, 300_000_000):
        save_checkpoint(folder, Checkpoint(step, WEIGHTS, {}))
    (folder / ".step-00000011.1.tmp").mkdir()
    (folder / "step-later").mkdir()
    assert list(steps_saved(folder)) == [2, 10, 300_000_000]


def test_there_are_no_steps_where_nothing_was_saved(folder):
    assert list(steps_saved(folder)) == []


def test_a_folder_of_checkpoints_that_cannot_be_read_is_not_called_empty(tmp_path, monkeypatch):
    def refused(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(CheckpointError, match=r"cannot be read \(Permission denied\)"):
        latest_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "name", ["step-²", "step-8", "step-000000008", "step-00000008.tmp", "step-"]
)
def test_a_name_that_no_step_has_is_no_checkpoint(tmp_path, name):
    (tmp_path / name).mkdir()
    assert steps_saved(tmp_path) == []
