"""What does not fit into memory is one line with the key and the size, and nobody's bug."""

from __future__ import annotations

import resource

import pytest

import seqlab
from seqlab.errors import RunFailed
from seqlab.memory import available_bytes, format_bytes, is_out_of_memory, requested_size

GREEDY = """
    import torch
    from seqlab import hookimpl
    from seqlab_plugins.samplers import Consecutive

    def raised(what):
        if what == "MemoryError":
            raise MemoryError
        if what == "torch":
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate"
                               " memory: you tried to allocate 4000000000000 bytes.")
        if what == "overflow":
            raise RuntimeError("Storage size calculation overflowed with sizes=[9, 9]")

    class Greedy(Consecutive):
        def __init__(self, tokens, seed, *, early: str = "", late: str = "", rows: int = 4):
            raised(early)
            super().__init__(tokens, seed, batch_size=rows, window=8)
            self.late = late

        def batch(self, epoch, index):
            raised(self.late)
            return super().batch(epoch, index)

    @hookimpl
    def seqlab_register_samplers():
        return {"greedy": Greedy}
"""


@pytest.mark.parametrize("how", ["MemoryError", "torch", "overflow"])
@pytest.mark.parametrize("when", ["early", "late"])
def test_a_component_that_has_is_out_of_memory_is_one_line_and_code_1(seqlab_run, drop, when, how):
    drop(GREEDY)
    with pytest.raises(RunFailed, match="more memory than there is") as caught:
        seqlab_run(sampler={"name": "greedy", when: how})
    assert caught.value.exit_code == 1
    assert "; lower sampler.rows (4)" in str(caught.value)
    assert ("4 TB" in str(caught.value)) == (how == "torch")


@pytest.fixture
def seqlab_run(tiny):
    return lambda **sections: seqlab.run(tiny | sections, run_dir="r")


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"cell": {"name": "lstm", "hidden_size": 400_000}}, "cell.hidden_size"),
        ({"model": {"embedding": 2**20}, "cell": {"name": "gru", "hidden_size": 400_000}}, "model"),
    ],
    ids=["cell", "embedding"],
)
def test_a_model_beyond_memory_is_told_before_room_is_made(seqlab_run, sections, key):
    with pytest.raises(RunFailed, match=f"{key}.*is too large.*for its weights") as caught:
        seqlab_run(**sections)
    assert f"there are {format_bytes(available_bytes())}" in str(caught.value)


def test_memory_is_no_more_than_a_process_may_have():
    before = resource.getrlimit(resource.RLIMIT_AS)
    assert available_bytes() > 0
    limit = min(available_bytes() - 1, 10**12)
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        assert available_bytes() == limit
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_run_that_needs_too_much_says_how_to_keep_the_size_of_a_batch(seqlab_run, monkeypatch):
    def full(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 3 GiB")

    monkeypatch.setattr("seqlab.training.loop.Training.steps", full)
    with pytest.raises(RunFailed) as caught:
        seqlab_run()
    assert str(caught.value) == (
        "training needs more memory than there is (20.00 GiB); lower the vocabulary (29),"
        " cell.hidden_size (16), sampler.window (8) or sampler.batch_size (4)"
        " (half of sampler.batch_size with twice the train.accumulate trains the same)"
    )


def test_other_errors_are_not_of_memory():
    assert not is_out_of_memory(ValueError("lr should be larger"))
    assert is_out_of_memory(MemoryError())
    assert requested_size(RuntimeError("you tried to allocate 12 bytes")) == "12 bytes"
    assert format_bytes(4 * 10**12) == "4 TB"
