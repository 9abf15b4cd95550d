"""Embeddings and heads of strangers: in a run, when it goes on, in generation, in the kit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import seqlab
from seqlab import ExperimentError
from seqlab.testing import check_embedding, check_head

TEXT = {"name": "original_lyrics", "max_characters": 1500}
EXPERIMENT = {
    "corpus": TEXT,
    "sampler": {"name": "consecutive", "batch_size": 4, "window": 16},
    "cell": {"name": "gru", "hidden_size": 12},
    "optimizer": {"name": "adam", "lr": 0.01},
    "train": {"steps": 12, "checkpoint": {"every": 5}},
    "observers": [],
}


class Neighbours(nn.Module):
    """The sum of the vectors of a token and of the one before it, which is the state.

    Args:
        size: of a vector.
    """

    def __init__(self, vocabulary, *, size: seqlab.Count = 8):
        super().__init__()
        self.output_size = size
        self.vectors = nn.Embedding(vocabulary.size + 1, size)

    def forward(self, ids, state):
        ids = ids + 1  # 0 is before the first token
        before = ids.new_zeros(len(ids), 1) if state is None else state
        past = torch.cat((before, ids[:, :-1]), 1)
        return self.vectors(ids) + self.vectors(past), ids[:, -1:]


class MixtureOfSoftmaxes(nn.Module):
    """Yang et al., 2018: its log-probabilities are of a mixture.

    Args:
        experts: how many softmaxes are mixed.
    """

    def __init__(self, input_size, vocabulary, *, experts: seqlab.Count = 3):
        super().__init__()
        self.gate = nn.Linear(input_size, experts)
        self.latent = nn.Linear(input_size, experts * input_size)
        self.logits = nn.Linear(input_size, vocabulary)

    def forward(self, hidden):
        weights = self.gate(hidden).log_softmax(-1)
        latent = self.latent(hidden).tanh().unflatten(-1, (weights.shape[-1], -1))
        return (self.logits(latent).log_softmax(-1) + weights.unsqueeze(-1)).logsumexp(-2)


class ByFrequency(nn.Module):
    """Keeps a bias that begins with the logarithms of how often tokens occur.

    Args:
        smoothing: is added to each count.
    """

    def __init__(self, input_size, vocabulary, *, smoothing: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(vocabulary.size, input_size).normal_(std=0.1))
        counts = torch.from_numpy(np.asarray(vocabulary.counts)).float() + smoothing
        self.register_buffer("prior", counts.log())

    def forward(self, hidden):
        return functional.linear(hidden, self.weight) + self.prior.to(hidden.dtype)


PLUGINS = [{"heads": {"mos": MixtureOfSoftmaxes, "frequency": ByFrequency}}, Neighbours]
MODELS = {
    "both": {"embedding": {"name": "neighbours", "size": 6}, "head": "mos"},
    "head": {"embedding": 6, "head": {"name": "mos", "experts": 2}},
    "counts": {"head": "frequency", "layers": 2},
}


@pytest.fixture(params=MODELS)
def experiment(request):
    return {**EXPERIMENT, "model": MODELS[request.param]}


def test_a_run_that_goes_on_equals_one_that_was_not_stopped(experiment, tmp_path):
    whole = seqlab.run(experiment, plugins=PLUGINS, run_dir=tmp_path / "whole")
    short = ["train.steps=7"]
    seqlab.run(experiment, plugins=PLUGINS, run_dir=tmp_path / "part", overrides=short)
    part = seqlab.resume(tmp_path / "part", plugins=PLUGINS, overrides=["train.steps=12"])
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, part.model.state_dict()[name]), name


def test_generation_reads_text_as_training_did(experiment, tmp_path):
    run = seqlab.run(experiment, plugins=PLUGINS, run_dir=tmp_path / "run")
    text = run.generate("我想", length=9)[0]
    model, ids = run.model.eval(), run.tokenizer.encode(text.text)
    logits, _ = model(torch.tensor(ids.tolist()).unsqueeze(0), None)
    best = logits[0, 1:-1].argmax(-1)
    assert best.tolist() == ids[2:].tolist()
    scored = run.score(text.text)
    assert sum(scored.surprisal[2:]) == pytest.approx(-text.score, rel=1e-4)


def test_a_run_that_is_opened_elsewhere_has_the_counts_of_its_checkpoint(tmp_path, monkeypatch):
    experiment = {**EXPERIMENT, "model": MODELS["counts"]}
    seqlab.run(experiment, plugins=PLUGINS, run_dir=tmp_path / "run")
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "empty"))
    run = seqlab.open_run(tmp_path / "run", plugins=PLUGINS)
    text = "".join(map("".join, run.resolved.corpus.build().documents("train")))[:1500]
    wanted = np.bincount(run.tokenizer.encode(text), minlength=run.tokenizer.size)
    assert run.model.vocabulary.counts.tolist() == wanted.tolist()


def test_the_kit_holds_them_to_their_promises():
    check_embedding(Neighbours, size=5)
    check_head(MixtureOfSoftmaxes)
    check_head(ByFrequency)


def test_weights_are_tied_only_where_a_head_can(tmp_path):
    def run(**model):
        return seqlab.run(
            {**EXPERIMENT, "model": {"tie_weights": True, **model}},
            plugins=PLUGINS,
            run_dir=tmp_path / "run",
        )

    with pytest.raises(ExperimentError, match="head MixtureOfSoftmaxes shares no weights"):
        run(embedding=12, head="mos")
    with pytest.raises(ExperimentError, match="needs a learned embedding; Neighbours has no table"):
        run(embedding={"name": "neighbours", "size": 12})


def test_what_is_no_embedding_is_named(tmp_path):
    class Flat(nn.Module):
        """Forgets the last dimension."""

        def __init__(self, vocabulary):
            super().__init__()
            self.output_size, self.one = 3, nn.Parameter(torch.ones(1))

        def forward(self, ids):
            return ids * self.one

    experiment = {**EXPERIMENT, "model": {"embedding": "flat"}}
    with pytest.raises(seqlab.SeqlabError, match=r"Flat: `forward`.*\(4, 16, 3\)"):
        seqlab.run(experiment, plugins=[Flat], run_dir=tmp_path / "run")


def test_short_forms_and_components_are_the_same_experiment(tmp_path):
    def resolved(model):
        registry = seqlab.load_plugins(local=False)
        read = seqlab.read_experiment({**EXPERIMENT, "model": model})
        from seqlab.registry import resolve

        return resolve(read, registry)

    short, long = (
        resolved({"embedding": 6}),
        resolved({"embedding": {"name": "learned", "size": 6}}),
    )
    assert short.embedding.as_section() == long.embedding.as_section()
    assert resolved({}).as_experiment() == resolved({"head": "linear"}).as_experiment()
