"""ULMFiT: slanted triangles, rates by layer, layers that join one by one, and new words."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from seqlab_plugins.decaying_schedules import slanted_triangular
from torch import nn

import seqlab

CLASSICS = Path(__file__).resolve().parents[2] / "experiments" / "classics"
SMALL = {  # of the authors' model, of which only sizes change
    "cell.layers": [
        {"name": "weight_drop", "share": 0.5, "inner": {"name": "lstm", "hidden_size": size}}
        for size in (12, 12, 8)
    ],
    "model.embedding.size": 8,
    "sampler": {"batch_size": 4, "window": 12},
    "evaluation": {"every": "1 epoch", "rows": 2, "window": 12},
    "tokenizer.most_frequent": 60,
}
SONG = "the river runs to the sea and the sea is deep\nthe rain falls on the river\n" * 40
OTHER = "the boat sails on the deep sea\nno rain falls and no boat sinks in the sea\n" * 40
LAYERS = [f"layers.0.cell.{layer}." for layer in range(3)]
EPOCHS = 5


def corpus(name: str, text: str) -> dict[str, object]:
    Path(name).write_text(text, "utf-8")
    return {"name": "text", "path": str(Path(name).absolute()), "holdout": 0.1}


@pytest.fixture
def pretrained():
    settings = SMALL | {"corpus": corpus("song.txt", SONG), "train.epochs": 4}
    return seqlab.run(CLASSICS / "ulmfit_pretrain.yaml", overrides=settings, run_dir="first")


@pytest.fixture
def adapted(pretrained):
    def adapted(**more):
        settings = SMALL | {"corpus": corpus("other.txt", OTHER), "train.epochs": EPOCHS}
        settings |= {"train.init_from.run": "first", "train.checkpoint": {"every": 1, "keep": 999}}
        return seqlab.run(CLASSICS / "ulmfit.yaml", overrides=settings | more, run_dir="second")

    return adapted


def weights_at(run, step):
    return seqlab.open_run(run.path, checkpoint=step).checkpoint.weights


def moved(run, first, last):
    """Which layers have other weights at the last of two steps; and whether the embedding has."""
    before, after = (weights_at(run, step) for step in (first, last))
    names = [*LAYERS, "embedding."]
    return [
        any(not after[n].equal(before[n]) for n in after if n.startswith(part)) for part in names
    ]


def test_the_rate_is_the_triangle_of_the_paper():
    total, cut_share, ratio = 200, 0.1, 32
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.01)
    schedule, found = slanted_triangular(sgd, total, lambda _: 0), []
    for _ in range(total):
        found.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    cut = int(total * cut_share)
    rising = [t / cut for t in range(cut)]
    falling = [1 - (t - cut) / (cut * (1 / cut_share - 1)) for t in range(cut, total)]
    wanted = [0.01 * (1 + p * (ratio - 1)) / ratio for p in rising + falling]
    assert found == pytest.approx(wanted)


def test_layers_join_from_the_top_one_an_epoch(adapted):
    run = adapted()
    steps = [0] + [row["step"] for row in run.metrics if row["split"] == "train"]
    joined = [moved(run, steps[epoch] or 1, steps[epoch + 1]) for epoch in range(4)]
    assert joined == [
        [False, False, False, True],
        [False, False, True, True],
        [False, True, True, True],
        [True, True, True, True],
    ]


def test_in_each_phase_it_is_resumed_to_the_bit(adapted, facts):
    run = adapted()
    ends = [row["step"] for row in run.metrics if row["split"] == "train"]
    for number, end in enumerate(ends[:-1]):
        copy = shutil.copytree(run.path, f"copy-{number}")
        assert facts(seqlab.resume(copy, checkpoint=end - 2)) == facts(run)


def test_words_that_both_texts_have_are_taken_and_others_begin_with_the_mean(pretrained, adapted):
    run = adapted(**{"train.epochs": None, "train.steps": 0})
    before, after = (each.checkpoint.weights["embedding.weight"] for each in (pretrained, run))
    words, old = (
        [r.tokenizer.token_bytes(t) for t in range(r.tokenizer.size)] for r in (run, pretrained)
    )
    assert {*words} - {*old}
    for place, word in enumerate(words):
        wanted = before[old.index(word)] if word in old else before.mean(0)
        assert after[place].equal(wanted), word


def test_what_was_learned_elsewhere_helps(adapted):
    """After the same steps, which begin with the same rate."""
    few = {"train.epochs": None, "train.steps": 8, "schedule": "constant"}
    losses = []
    for begin in ({}, {"train.init_from": None}):
        run = adapted(**few, **begin)
        losses.append([row["loss"] for row in run.metrics if row["split"] == "valid"][-1])
        shutil.rmtree(run.path)
    assert losses[0] < losses[1]


def test_parts_join_only_where_there_are_parts(tiny):
    schedule = {"name": "slanted_triangular", "unfreeze": 1}
    with pytest.raises(
        seqlab.ExperimentError, match=r"`unfreeze` needs `optimizer: \{name: groups"
    ):
        seqlab.run(tiny | {"schedule": schedule})


def test_a_layer_that_does_not_exist_is_told_with_those_that_do(adapted):
    groups = [{"match": ["layers.9.*"]}]
    with pytest.raises(seqlab.ExperimentError, match=r"no parameter is left for .*layers\.9"):
        adapted(**{"optimizer.groups": groups})
