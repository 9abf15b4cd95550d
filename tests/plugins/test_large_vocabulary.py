"""Heads for many tokens: their papers, and every command with each of them."""

from __future__ import annotations

import math
import shutil

import pytest
import torch
from torch.nn import functional

import seqlab
from seqlab.cli.main import call
from seqlab.testing import Subject
from seqlab.testing.vocabularies import SIZE, letters
from seqlab.training.loss import head_loss, head_scores, token_nats

from .recipes import copies, drawn, losses

N, O = 11, 16  # noqa: E741 # the letters of the promises
HEADS = {
    "adaptive_softmax": {"cutoffs": [4, 12]},
    "mixture_of_softmaxes": {"softmaxes": 3, "size": 5},
    "sampled_softmax": {"samples": 6},
}


@pytest.fixture
def make(registry):
    def made(name, **options):
        torch.manual_seed(3)
        subject = Subject.of_component(registry.find("head", name), options, registry)
        return subject.build(O, letters()).double()

    return made


def targets(seed=5):
    return torch.randint(SIZE, (N,), generator=torch.Generator().manual_seed(seed))


def test_a_mixture_of_softmaxes_is_its_paper_for_twenty_steps(make):
    head = make("mixture_of_softmaxes", softmaxes=3, size=5).train()
    own, right, hidden = copies(head), targets(), drawn(N, O)

    def slow(_):
        total = 0.0
        for n in range(N):
            prior = (own["prior.weight"] @ hidden[n]).softmax(0)
            latent = (own["latent.weight"] @ hidden[n] + own["latent.bias"]).tanh().view(3, 5)
            each = [own["decoder.weight"] @ h + own["decoder.bias"] for h in latent]
            mixed = sum(p * z.softmax(0) for p, z in zip(prior, each, strict=True))
            total = total - mixed[right[n]].log() / N
        return total

    found = losses(lambda _: head.loss(hidden, right, 1 / N)[0], head.parameters())
    assert found == pytest.approx(losses(slow, own.values()), rel=1e-5)


def test_a_mixture_has_log_probabilities_of_a_higher_rank_than_its_vectors(make):
    hidden = drawn(100, O)
    ranks = [
        int(torch.linalg.matrix_rank(make("mixture_of_softmaxes", softmaxes=k, size=5)(hidden)))
        for k in (1, 3)
    ]
    assert ranks[0] <= 5 + 2 < ranks[1]


def test_an_adaptive_softmax_is_its_paper_for_twenty_steps(make):
    head = make("adaptive_softmax", cutoffs=[4, 12], divisor=2.0).train()
    own, right, hidden = copies(head), targets(), drawn(N, O)
    ranks = sorted(range(SIZE), key=lambda token: -int(letters().counts[token]))

    def slow(_):
        total = 0.0
        for n in range(N):
            rank = ranks.index(int(right[n]))
            first = (own["clusters.head.weight"] @ hidden[n]).log_softmax(0)  # 4 tokens, 2 clusters
            if rank < 4:
                total = total - first[rank] / N
                continue
            cluster, begin = (0, 4) if rank < 12 else (1, 12)
            small = own[f"clusters.tail.{cluster}.0.weight"] @ hidden[n]
            rest = (own[f"clusters.tail.{cluster}.1.weight"] @ small).log_softmax(0)
            total = total - (first[4 + cluster] + rest[rank - begin]) / N
        return total

    found = losses(lambda _: head.loss(hidden, right, 1 / N)[0], head.parameters())
    assert found == pytest.approx(losses(slow, own.values()), rel=1e-5)


def test_a_sampled_softmax_is_its_paper_for_twenty_steps(make):
    head = make("sampled_softmax", samples=6).train()
    own, right, hidden = copies(head), targets(), drawn(N, O)
    chances = [(int(c) + 1) ** 0.75 for c in letters().counts]
    chances = [c / sum(chances) for c in chances]

    def others(step):
        return torch.randint(SIZE, (6,), generator=torch.Generator().manual_seed(step))

    def slow(step):
        total = 0.0
        for n, token in enumerate(right.tolist()):
            among = [token, *(o for o in others(step).tolist() if o != token)]
            logits = [
                own["weight"][o] @ hidden[n] + own["bias"][o] - math.log(6 * chances[o])
                for o in among
            ]
            total = total + (torch.stack(logits).logsumexp(0) - logits[0]) / N
        return total

    found = losses(
        lambda step: head.sampled_loss(hidden, right, 1 / N, others(step))[0], head.parameters()
    )
    assert found == pytest.approx(losses(slow, own.values()), rel=1e-5)


def test_tokens_are_drawn_as_often_as_their_counts_say(make):
    head = make("sampled_softmax", samples=20_000)
    torch.manual_seed(0)
    found = torch.bincount(head._drawn(), minlength=SIZE) / 20_000
    assert torch.allclose(found.double(), head.chances, atol=0.01)


def test_what_is_sampled_in_training_is_whole_in_evaluation(make):
    head, hidden, right = make("sampled_softmax", samples=6), drawn(N, O), targets()
    whole = token_nats(head(hidden).unsqueeze(0), right.unsqueeze(0))[0]
    assert torch.allclose(head_loss(head.eval(), hidden[None], right[None], 1.0)[1][0], whole)
    assert torch.allclose(head_scores(head.train(), hidden[None], right[None])[0][0], whole)
    assert (head_loss(head, hidden[None], right[None], 1.0)[1][0] < whole).double().mean() > 0.8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cutoffs": [5, 5]}, r"cutoffs should rise"),
        ({"cutoffs": [5, 37]}, r"below the 37 tokens; they are \[5, 37\]"),
        ({"cutoffs": [5, 9], "divisor": 5.0}, r"divisor \(5\) leaves nothing of 16 numbers"),
    ],
)
def test_clusters_that_cannot_be_are_refused(make, options, message):
    with pytest.raises(ValueError, match=message):
        make("adaptive_softmax", **options)


# -- in runs

EXPERIMENT = {
    "corpus": {"name": "original_lyrics", "max_characters": 3000, "holdout": 0.2},
    "tokenizer": {"name": "characters", "unknown": "token"},
    "sampler": {"name": "consecutive", "batch_size": 4, "window": 16},
    "cell": {"name": "gru", "hidden_size": 16},
    "optimizer": {"name": "adam", "lr": 0.01},
    "evaluation": {"every": 30},
    "samples": {"prefixes": ["我"], "length": 5},
    "train": {"steps": 30, "checkpoint": {"every": 15, "keep": 9}},
    "observers": [],
}


def experiment(head, **model):
    return {**EXPERIMENT, "model": {"embedding": 5, "head": {"name": head, **HEADS[head]}, **model}}


@pytest.mark.parametrize("name", HEADS)
def test_a_run_with_it_learns_goes_on_is_scored_continued_and_exported(name, tmp_path, facts):
    run = seqlab.run(experiment(name), run_dir=tmp_path / "run")
    nats = [row["loss"] for row in run.metrics if row["split"] == "valid"]
    assert nats[-1] < math.log(run.tokenizer.size)
    assert run.evaluate("valid")["loss"] == pytest.approx(nats[-1], abs=1e-6)
    copy = shutil.copytree(run.path, tmp_path / "copy")
    assert facts(seqlab.resume(copy, checkpoint=15)) == facts(run)
    texts = [
        [one.text for one in run.generate("我", length=6, overrides=[f"decoder={decoder}"])]
        for decoder in ("greedy", "{name: beam, beams: 1}")
    ]
    assert texts[0] == texts[1]
    exported = run.export("torch_export", tmp_path / "exported").folder
    assert list(exported.glob("*.pt2"))
    assert call(["score", str(run.path), "我的"]) == 0


@pytest.mark.parametrize("name", ["linear", "sampled_softmax"])
def test_sizes_that_differ_are_tied_by_a_projection(name, registry):
    HEADS.setdefault("linear", {})
    run = seqlab.run(experiment(name, tie_weights=True), overrides=["train.steps=2"])
    head = run.model.head
    assert head.inner.weight is run.model.embedding.weight
    assert (head.projection.in_features, head.projection.out_features) == (16, 5)
    hidden = torch.randn(1, 3, 16)
    wanted = functional.linear(
        hidden @ head.projection.weight.T, head.inner.weight, head.inner.bias
    )
    assert torch.allclose(head(hidden), wanted)
    again = seqlab.open_run(run.path)
    assert again.evaluate("valid")["loss"] == run.evaluate("valid")["loss"]


def test_a_mixture_is_tied_to_vectors_of_its_own_size(registry):
    run = seqlab.run(
        experiment("mixture_of_softmaxes", tie_weights=True), overrides=["train.steps=1"]
    )
    assert run.model.head.decoder.weight is run.model.embedding.weight
    with pytest.raises(
        seqlab.ExperimentError, match=r"tie_weights needs.*vectors \(5, `head.size`"
    ):
        seqlab.run(
            experiment("mixture_of_softmaxes", tie_weights=True), overrides=["model.embedding=6"]
        )
