"""What is built for a vocabulary is not judged by one that is made up before the text is read."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqlab

PICKY = """
    import torch
    import seqlab

    class Picky(torch.nn.Linear):
        "A head for texts with an x, of few tokens."
        def __init__(self, input_size, vocabulary, *, most: int = 40):
            "most: `most` tokens."
            spelled = [vocabulary.token_bytes(token) for token in range(vocabulary.size)]
            if vocabulary.size > most or b"x" not in spelled:
                raise ValueError(f"needs an x among {most} tokens or fewer; has {vocabulary.size}")
            super().__init__(input_size, vocabulary.size)

    @seqlab.hookimpl
    def seqlab_register_heads():
        return {"picky": Picky}
"""


def test_a_head_may_need_what_the_vocabulary_of_the_text_has(tiny, drop):
    drop(PICKY)
    run = seqlab.run(tiny | {"model": {"head": "picky"}})
    assert run.description["status"] == "finished"


def test_one_that_refuses_the_vocabulary_of_the_text_is_a_complaint_before_the_first_step(
    tiny, drop
):
    drop(PICKY)
    head = {"name": "picky", "most": 9}
    with pytest.raises(seqlab.ExperimentError, match=r"model.head: needs an x among 9 tokens"):
        seqlab.run(tiny | {"model": {"head": head}}, run_dir="refused")
    assert not Path("refused").exists()
