"""What is too large for memory when a run is used is one line that says what to lower."""

from __future__ import annotations

import shutil

import pytest

import seqlab

FULL = """
    from seqlab import hookimpl

    class Full:
        greedy = False

        def choose(self, logits, history, uniform):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"
                               " 4000000000000 bytes.")

    @hookimpl
    def seqlab_register_decoders():
        return {"full": Full}
"""


@pytest.fixture
def run(drop, trained_once):
    """A run in `here`, beside a decoder that needs more memory than there is."""
    drop(FULL)
    return seqlab.open_run(shutil.copytree(trained_once, "here"))


@pytest.mark.parametrize(
    ("use", "remedies"),
    [
        (lambda run: list(run.stream("the", decoder="full")), "lower `length` (50)"),
        (
            lambda run: run.generate(["a", "fox"], num=2, length=9, decoder="full"),
            "lower `num` (2) or `length` (9), or give fewer prefixes at once (2 now)",
        ),
    ],
    ids=["stream", "generate"],
)
def test_generating_says_in_python_what_to_lower(run, use, remedies):
    with pytest.raises(seqlab.RunFailed) as caught:
        use(run)
    needed = "generating needs more memory than there is (4 TB were requested); "
    assert str(caught.value) == needed + remedies


def test_scoring_a_split_says_what_to_lower(seqlab_command, run, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 3 GiB")

    monkeypatch.setattr("seqlab.runs.evaluating.measure", full)
    with pytest.raises(seqlab.RunFailed) as caught:
        run.evaluate("train", batch_size=7)
    assert str(caught.value) == (
        "scoring split 'train' needs more memory than there is (20.00 GiB were requested); lower"
        " `batch_size` (7) or `window` (128)"
    )
    done = seqlab_command("eval", "here", "--split", "train")
    assert done.code == 1
    assert "; lower --batch-size (all --rows are scored at once) or --window (128)" in done.err
