"""Low-rank changes of a frozen cell, and a run that fine-tunes another one with them."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
import torch

import seqlab
from seqlab.errors import ExperimentError
from seqlab.registry import resolve

SIZES = {"tiny": (3, 5, 7, 4), "as trained": (32, 35, 64, 96)}  # B, T, V, H
CELLS = ("rnn", "lstm", "gru")


@pytest.fixture
def build(tiny, registry):
    """Build a cell for an input size, always with the same random numbers."""

    def build(section, input_size):
        resolved = resolve(seqlab.read_experiment({**tiny, "cell": section}), registry)
        torch.manual_seed(0)
        return resolved.cell.build(input_size)

    return build


@pytest.fixture
def pair(build):
    """A cell, and the same one inside `lora`."""

    def pair(name, size, **options):
        _, _, vocabulary, hidden = SIZES[size]
        inner = {"name": name, "hidden_size": hidden}
        return build(inner, vocabulary), build(
            {"name": "lora", "inner": inner, "rank": 2, **options}, vocabulary
        )

    return pair


def draw(size):
    rows, window, vocabulary, _ = SIZES[size]
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(vocabulary, (rows, window), generator=generator)
    return ids, torch.randn(rows, window, vocabulary, generator=generator)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CELLS)
def test_it_begins_equal_to_its_cell_to_the_bit(name, size, pair):
    plain, adapted = pair(name, size)
    ids, inputs = draw(size)
    assert adapted(inputs, None)[0].equal(plain(inputs, None)[0])
    assert adapted.from_ids(ids, None)[0].equal(plain.from_ids(ids, None)[0])


def _merge(plain, adapted):
    """Give a plain cell the weights that the adapted one computes with."""
    with torch.no_grad():
        for name, weight in plain.named_parameters():
            path, _, leaf = name.rpartition(".")
            weight.copy_(getattr(adapted.get_submodule(path), leaf))


def _move(adapted):
    """Change B, as training does."""
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if name.endswith(".B"):
                parameter.normal_(std=0.1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CELLS)
def test_moved_it_is_the_cell_with_the_sum_of_the_weights(name, size, pair):
    """In windows of vectors and of ids, step by step, and in the gradients of both factors."""
    plain, adapted = pair(name, size, alpha=3.0)
    _move(adapted)
    _merge(plain, adapted)
    ids, inputs = draw(size)
    for call in (lambda cell: cell(inputs, None), lambda cell: cell.from_ids(ids, None)):
        outputs = [call(cell)[0] for cell in (plain, adapted)]
        torch.testing.assert_close(*outputs)
        for cell, values in zip((plain, adapted), outputs, strict=True):
            cell.zero_grad()
            values.square().mean().backward()
        _compare_gradients(plain, adapted, 3.0 / 2)


def _compare_gradients(plain, adapted, scale):
    """dB = s dW A', dA = s B' dW."""
    for name, weight in plain.named_parameters():
        path, _, leaf = name.rpartition(".")
        parts = dict(adapted.get_submodule(path).named_parameters())
        if f"parametrizations.{leaf}.0.A" not in parts:
            assert weight.dim() == 1
            continue
        a, b = (parts[f"parametrizations.{leaf}.0.{factor}"] for factor in "AB")
        torch.testing.assert_close(b.grad, scale * weight.grad @ a.detach().T, rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(a.grad, scale * b.detach().T @ weight.grad, rtol=1e-3, atol=1e-6)
        assert parts[f"parametrizations.{leaf}.original"].grad is None


@pytest.mark.parametrize("name", CELLS)
def test_moved_it_steps_as_it_reads_windows(name, pair):
    _, adapted = pair(name, "tiny")
    _move(adapted)
    ids, _ = draw("tiny")
    adapted.eval()
    with torch.no_grad():
        expected, state = adapted.from_ids(ids, None)
        state = adapted.from_ids(ids[:, :1], None)[1]
        step = adapted.id_stepper()
        for t in range(1, ids.shape[1]):
            outputs, state = step(ids[:, t], state)
            torch.testing.assert_close(outputs, expected[:, t])


def test_a_layer_of_torch_that_is_called_computes_with_the_sum_too(build, drop, tiny):
    drop(
        """
        from torch import nn
        import seqlab

        class Torchs(nn.Module):
            '''torch's LSTM.'''
            def __init__(self, input_size: int):
                super().__init__()
                self.lstm = nn.LSTM(input_size, 6, batch_first=True)
                self.output_size = 6

            def forward(self, inputs, state):
                state = state and tuple(part.transpose(0, 1).contiguous() for part in state)
                outputs, state = self.lstm(inputs, state)
                return outputs, tuple(part.transpose(0, 1) for part in state)

        @seqlab.hookimpl
        def seqlab_register_cells():
            return {"torchs": Torchs}
        """
    )
    registry = seqlab.load_plugins()
    sections = ["torchs", {"name": "lora", "inner": "torchs"}]
    experiments = [seqlab.read_experiment({**tiny, "cell": section}) for section in sections]
    plain, adapted = (resolve(e, registry).cell.build(7) for e in experiments)
    _move(adapted)
    _merge(plain, adapted)
    _, inputs = draw("tiny")
    torch.testing.assert_close(adapted(inputs, None)[0], plain(inputs, None)[0])
    again = copy.deepcopy(adapted)
    assert again(inputs, None)[0].equal(adapted(inputs, None)[0])


def test_only_matrices_that_match_are_changed(pair):
    _, adapted = pair("gru", "tiny", match=["*.weight_hh*"])
    trained = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert trained == [f"layers.0.parametrizations.weight_hh_l0.0.{factor}" for factor in "AB"]


def test_patterns_that_match_no_matrix_are_refused(pair):
    message = r"no matrix of the cell is like \['\*bias\*'\]; it has: layers.0.weight_ih_l0, lay"
    with pytest.raises(ExperimentError, match=message):
        pair("gru", "tiny", match=["*bias*"])


GRU = {"name": "gru", "hidden_size": 16}
ADAPTED = {"name": "lora", "inner": GRU, "rank": 2}


@pytest.fixture
def pretrained(tiny, registry):
    return seqlab.run(tiny | {"cell": GRU}, run_dir="pretrained", registry=registry)


@pytest.fixture
def tuned(tiny, pretrained, registry):
    """Fine-tune the pretrained run, its head frozen, too."""

    def tuned(where="tuned", **train):
        start = {"run": "pretrained", "take": "fitting"}
        train = {"epochs": 1, "init_from": start, "frozen": ["head.*"]} | train
        experiment = tiny | {"cell": ADAPTED, "train": train}
        return seqlab.run(experiment, run_dir=where, registry=registry)

    return tuned


def _plain(name):
    return name.replace("parametrizations.", "").replace(".original", "")


def test_a_run_with_low_rank_changes_begins_where_the_plain_one_ended(pretrained, tuned):
    begun = tuned(epochs=0)
    text = pretrained.generate("the quick", length=20)[0].continuation
    assert begun.generate("the quick", length=20)[0].continuation == text
    assert begun.score("the lazy dog").surprisal == pretrained.score("the lazy dog").surprisal
    noted = begun.description["init_from"]
    assert {_plain(name) for name in noted["taken"]} == set(pretrained.checkpoint.weights)
    assert noted["unused"] == []
    assert {name[-2:] for name in noted["fresh"]} == {".A", ".B"}


def test_only_the_factors_are_trained(pretrained, tuned):
    before, begun, run = pretrained.checkpoint.weights, tuned("begun", epochs=0), tuned()
    for name, weight in run.checkpoint.weights.items():
        if name[-2:] in (".A", ".B"):
            assert not weight.equal(begun.checkpoint.weights[name]), name
        else:
            assert weight.equal(before[_plain(name)]), name


def test_fine_tuning_is_resumed_to_the_bit(tuned, facts, registry):
    run = tuned(checkpoint={"every": 10, "keep": 99})
    shutil.rmtree("pretrained")
    copied = shutil.copytree(run.path, "copy")
    assert facts(seqlab.resume(copied, checkpoint=10, registry=registry)) == facts(run)


def test_the_experiment_runs_after_its_first_command_and_resumes_to_the_bit():
    experiments = Path(__file__).parents[2] / "experiments"
    small = ["corpus={name: original_lyrics, max_characters: 2000, holdout: 0.1}", "samples=null"]
    small += ["sampler.batch_size=4", "sampler.window=16", "evaluation.rows=4", "train.steps=20"]
    plain = [*small, "cell.hidden_size=16"]
    seqlab.run(experiments / "standard_library.yaml", overrides=plain, run_dir="runs/python")
    other = ["corpus.max_characters=3000", "evaluation.every=10", "train.checkpoint.every=10"]
    overrides = [*small, *other, "cell.inner.hidden_size=16"]
    whole = seqlab.run(experiments / "lora.yaml", overrides=overrides, run_dir="whole")
    copied = shutil.copytree("whole", "copy")
    again = seqlab.resume(copied, checkpoint=10)
    assert [row["loss"] for row in again.metrics] == [row["loss"] for row in whole.metrics]
    noted = whole.description["init_from"]
    assert noted["tokens"] < whole.tokenizer.size  # some characters are new
    assert len(noted["fresh"]) == 4
