"""Objectives: built-in ones and those of strangers, in runs, in evaluations, when runs go on."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import seqlab
from seqlab.testing import check_metric, check_objective

TEXT = {"name": "original_lyrics", "max_characters": 1500}
EXPERIMENT = {
    "corpus": TEXT,
    "sampler": {"name": "consecutive", "batch_size": 4, "window": 16},
    "cell": {"name": "gru", "hidden_size": 12},
    "optimizer": {"name": "adam", "lr": 0.01},
    "train": {"steps": 12, "checkpoint": {"every": 5}},
    "evaluation": {"split": "train", "every": 6, "rows": 4},
    "observers": [],
}
RESERVED = {"name": "with_reserved", "inner": "characters"}
OBJECTIVES = {
    "next_token": {"objective": {"name": "next_token", "label_smoothing": 0.1, "z_loss": 1e-3}},
    "unlikelihood": {"objective": {"name": "unlikelihood", "factor": 0.5}},
    "multi_token": {"objective": {"name": "multi_token", "tokens": 3}},
    "masked": {
        "objective": "masked",
        "tokenizer": RESERVED,
        "model": {"bidirectional": True, "embedding": 8},
    },
    "masked by lstm": {
        "objective": {"name": "masked", "share": 0.3, "kept": 0.0},
        "tokenizer": RESERVED,
        "cell": {"name": "lstm", "hidden_size": 6, "num_layers": 2, "bidirectional": True},
    },
}


def run(tmp_path, name="run", plugins=(), overrides=(), **sections):
    experiment = {**EXPERIMENT, **sections}
    return seqlab.run(experiment, run_dir=tmp_path / name, plugins=plugins, overrides=overrides)


def weights(run):
    return run.model.state_dict()


def last_numbers(run):
    """The rows of the last step without what a clock decides."""
    rows = [row for row in run.metrics if row["step"] == 12]
    return [{name: v for name, v in row.items() if "second" not in name} for row in rows]


@pytest.mark.parametrize("sections", OBJECTIVES.values(), ids=OBJECTIVES)
def test_a_run_that_goes_on_equals_one_that_was_not_stopped(sections, tmp_path):
    whole = run(tmp_path, "whole", **sections)
    run(tmp_path, "part", overrides=["train.steps=7"], **sections)
    part = seqlab.resume(tmp_path / "part", overrides=["train.steps=12"])
    assert all(torch.equal(w, weights(part)[name]) for name, w in weights(whole).items())
    assert last_numbers(whole) == last_numbers(part)


@pytest.mark.parametrize("name", ["next_token", "unlikelihood", "multi_token"])
def test_parts_are_columns_and_the_loss_stays_nats_of_the_next_token(name, tmp_path):
    finished = run(tmp_path, **OBJECTIVES[name])
    last = finished.metrics[-1]
    parts = finished.model.objective.parts
    assert parts
    assert all(math.isfinite(last[part]) for part in parts)
    assert last["perplexity"] == pytest.approx(math.exp(last["loss"]))
    text = "".join(map("".join, finished.resolved.corpus.build().documents("train")))[:1500]
    again = finished.evaluate("train", rows=1)
    assert again["loss"] == pytest.approx(finished.score(text).loss, rel=1e-4)
    assert {*parts} <= again.keys()
    assert "parts" not in again


def test_smoothing_and_z_loss_are_those_of_torch(tmp_path):
    from seqlab_plugins.objectives.next_token import NextToken

    from benchmarks.plain_model import language_model

    model = language_model(11, lambda size: seqlab_gru(size))
    hidden = torch.randn(2, 5, model.hidden_size)
    targets, shares = torch.randint(11, (2, 5)), torch.rand(2, 5)
    window = seqlab.Window(targets, targets, None, shares)
    found = NextToken(label_smoothing=0.2, z_loss=0.01).loss(hidden, model.head, window)
    logits = model.head(hidden)
    smoothed = functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), label_smoothing=0.2, reduction="none"
    )
    wanted = (smoothed * shares.flatten()).sum()
    z_loss = 0.01 * (logits.logsumexp(-1).square() * shares).sum()
    torch.testing.assert_close(found.parts, (wanted, z_loss))
    torch.testing.assert_close(found.loss, wanted + z_loss)


def seqlab_gru(size):
    from seqlab_plugins.cells.recurrent import GRU

    return GRU(size, hidden_size=6)


def test_unlikelihood_is_that_of_a_plain_loop():
    from seqlab_plugins.objectives.next_token import Unlikelihood

    torch.manual_seed(0)
    head, hidden = nn.Linear(4, 7), torch.randn(2, 9, 4)
    ids = torch.randint(7, (2, 10))
    window = seqlab.Window(ids[:, :-1], ids[:, 1:], None, 1.0)
    probabilities = head(hidden).softmax(-1).detach()
    total = 0.0
    for row in range(2):
        for step in range(9):
            seen = {*ids[row, : step + 1].tolist()} - {int(ids[row, step + 1])}
            total -= sum(math.log(1 - float(probabilities[row, step, token])) for token in seen)
    terms = Unlikelihood(factor=1.0).loss(hidden, head, window)
    assert float(terms.parts[0].detach()) == pytest.approx(total, rel=1e-4)


def test_masked_hides_the_share_that_it_says_and_predicts_what_was_there(tmp_path):
    finished = run(tmp_path, **OBJECTIVES["masked"])
    objective, mask = finished.model.objective, finished.tokenizer.reserved["mask"]
    inputs = torch.randint(mask, (200, 100))
    batch = seqlab.Batch(inputs, inputs, torch.zeros(200, dtype=torch.bool))
    made = objective.prepare(batch, torch.rand(200, 100))
    hidden = made.weights > 0
    assert float(hidden.float().mean()) == pytest.approx(0.15, abs=0.01)
    assert torch.equal(made.targets, inputs)
    assert torch.equal(made.inputs[~hidden], inputs[~hidden])
    shares = [made.inputs[hidden] == mask, made.inputs[hidden] == inputs[hidden]]
    found = [float(share.float().mean()) for share in shares]
    assert found == pytest.approx([0.8, 0.1], abs=0.03)


def test_a_masked_run_has_its_own_loss_and_accuracy_and_no_perplexity(tmp_path):
    finished = run(tmp_path, **OBJECTIVES["masked"])
    row = next(row for row in finished.metrics[::-1] if row["accuracy"] is not None)
    assert row["perplexity"] is row["bits_per_character"] is None
    assert 0 < row["loss"] < 20
    assert 0 <= row["accuracy"] <= 1
    assert finished.description["best"]["loss"] <= row["loss"]
    again = finished.evaluate("train")
    assert again["loss"] == pytest.approx(row["loss"], rel=1e-5)


def test_a_masked_run_says_why_it_continues_no_text(tmp_path):
    finished = run(tmp_path, **OBJECTIVES["masked"])
    with pytest.raises(seqlab.SeqlabError, match="'Masked' does not predict the next token"):
        finished.generate("我")
    with pytest.raises(seqlab.SeqlabError, match="does not predict the next token"):
        finished.score("我想")
    with pytest.raises(seqlab.SeqlabError, match="does not predict the next token"):
        next(finished.stream("我"))


def test_cells_that_read_ahead_are_refused_where_the_next_token_is_predicted(tmp_path):
    for sections in (
        {"model": {"bidirectional": True}},
        {"cell": {"name": "bidirectional", "inner": {"name": "gru", "hidden_size": 4}}},
        {"cell": {"name": "lstm", "hidden_size": 4, "bidirectional": True}},
    ):
        with pytest.raises(seqlab.ExperimentError, match="read ahead, and objective NextToken"):
            run(tmp_path, **sections)


def test_masked_needs_a_mask(tmp_path):
    with pytest.raises(seqlab.ExperimentError, match="needs a tokenizer with a reserved id `mask`"):
        run(tmp_path, objective="masked")


def test_a_student_learns_what_its_teacher_says(tmp_path):
    teacher = run(tmp_path, "teacher", overrides=["train.steps=40"])
    objective = {"name": "distillation", "teacher": str(teacher.path), "share": 1.0}
    student = run(tmp_path, "student", overrides=["train.steps=40"], objective=objective)
    divergences = [row["teacher"] for row in student.metrics if row["teacher"] is not None]
    assert divergences[-1] < divergences[0]
    assert student.evaluate("train")["teacher"] is None


def test_a_student_goes_on_to_the_bit_and_talks_without_its_teacher(tmp_path):
    teacher = run(tmp_path, "teacher")
    objective = {"name": "distillation", "teacher": str(teacher.path)}
    whole = run(tmp_path, "whole", objective=objective)
    run(tmp_path, "part", objective=objective, overrides=["train.steps=7"])
    part = seqlab.resume(tmp_path / "part", overrides=["train.steps=12"])
    assert all(torch.equal(w, weights(part)[name]) for name, w in weights(whole).items())
    teacher.path.rename(tmp_path / "gone")
    assert seqlab.open_run(whole.path).generate("我", length=3)[0].text


def test_a_teacher_that_is_not_there_is_said_before_there_is_a_run(tmp_path):
    with pytest.raises(seqlab.SeqlabError, match="no such folder, name, id or tag"):
        run(tmp_path, objective={"name": "distillation", "teacher": "nobody"})
    assert not (tmp_path / "run").exists()


def test_answers_alone_are_trained(tmp_path):
    lines = [{"prompt": f"{n} + 1 = ", "completion": str(n + 1)} for n in range(40)]
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = {"prompt": "prompt", "completion": "completion"}
    corpus = {"name": "jsonl", "path": str(file), "text": text}
    sections = {"corpus": corpus, "tokenizer": {"name": "characters"}}
    finished = run(tmp_path, objective="answers_only", **sections)
    answers = sum(len(line["completion"]) for line in lines)
    assert finished.evaluate("train", rows=1)["tokens"] in (answers, answers - 1)
    for sampler in ("consecutive", "documents"):  # which pads, by weights of its own
        with pytest.raises(seqlab.ExperimentError, match="objective: needs a corpus that says whi"):
            run(tmp_path, "other", objective="answers_only", sampler=sampler)


class Pairs:
    """Rows come in pairs, of which the first is preferred (Rafailov et al., 2023).

    Args:
        beta: how much the margin counts.
    """

    parts = ("margin",)

    def __init__(self, *, beta: float = 0.1):
        self.beta = beta

    def loss(self, hidden, head, window):
        _, nats = seqlab.head_loss(head, hidden, window.targets, window.shares)
        logits = head(hidden).log_softmax(-1)
        chosen = logits.gather(-1, window.targets.unsqueeze(-1)).squeeze(-1)
        if window.weights is not None:
            chosen = chosen * window.weights
        better, worse = chosen.sum(1).view(-1, 2).unbind(1)
        weight = torch.as_tensor(window.shares).expand_as(nats).sum()
        loss = -functional.logsigmoid(self.beta * (better - worse)).mean() * weight
        return seqlab.Terms(loss, nats, (((better - worse).mean() * weight).detach(),))


class Queue(nn.Module):
    """Remembers the mean of the last outputs, which new ones are drawn to.

    Args:
        factor: how strongly.
    """

    parts = ("pull",)

    def __init__(self, hidden_size, *, factor: float = 0.1):
        super().__init__()
        self.centre, self.factor = nn.Linear(hidden_size, hidden_size), factor

    def loss(self, hidden, head, window, state):
        loss, nats = seqlab.head_loss(head, hidden, window.targets, window.shares)
        before = hidden.new_zeros(hidden.shape[::2]) if state is None else state
        distance = (self.centre(hidden) - before.unsqueeze(1)).square().mean(-1)
        part = self.factor * (window.shares * distance).sum()
        return seqlab.Terms(loss + part, nats, (part,)), hidden.detach().mean(1)


class Experts(nn.Module):
    """A mixture of experts with a balance loss (Shazeer et al., 2017).

    Args:
        experts: how many.
    """

    def __init__(self, input_size, *, experts: seqlab.Count = 3):
        super().__init__()
        self.output_size = input_size
        self.gate = nn.Linear(input_size, experts)
        self.experts = nn.ModuleList(nn.Linear(input_size, input_size) for _ in range(experts))
        self.auxiliary_losses = {"balance": torch.zeros(())}

    def forward(self, inputs, state):
        shares = self.gate(inputs).softmax(-1)
        used = shares.flatten(0, -2).mean(0)
        self.auxiliary_losses = {"balance": len(self.experts) * used.square().sum()}
        outputs = torch.stack([expert(inputs) for expert in self.experts], -1)
        return (outputs * shares.unsqueeze(-2)).sum(-1), inputs.new_zeros(len(inputs), 1)


STRANGERS = [Pairs, {"objectives": {"queue": Queue}, "cells": {"experts": Experts}}]


def test_strangers_objectives_report_their_parts_and_go_on_to_the_bit(tmp_path):
    cell = {"name": "stack", "layers": [{"name": "gru", "hidden_size": 8}, "experts"]}
    for number, objective in enumerate(("pairs", "queue")):
        sections = {"objective": objective, "cell": cell}
        whole = run(tmp_path, f"whole{number}", plugins=STRANGERS, **sections)
        short = ["train.steps=7"]
        run(tmp_path, f"part{number}", plugins=STRANGERS, overrides=short, **sections)
        more = ["train.steps=12"]
        part = seqlab.resume(tmp_path / f"part{number}", plugins=STRANGERS, overrides=more)
        assert all(torch.equal(w, weights(part)[name]) for name, w in weights(whole).items())
        last = whole.metrics[-1]
        assert last["balance"] >= 1  # of three experts, at best
        assert {"margin", "pull"} & last.keys()


def test_the_kit_holds_objectives_and_metrics_to_their_promises():
    check_objective(Queue)
    for name in ("next_token", "unlikelihood", "multi_token"):
        registry = seqlab.load_plugins(local=False)
        check_objective(registry.find("objective", name).factory)
    for name in ("accuracy", "top_k", "calibration_error"):
        check_metric(registry.find("metric", name).factory)


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        (lambda terms: terms.loss, "should return seqlab.Terms, not Tensor"),
        (lambda terms: terms._replace(parts=(terms.loss,)), "should return 0 parts"),
        (lambda terms: terms._replace(nats=None), "or say `predicts_next = False`"),
        (lambda terms: terms._replace(nats=terms.nats[0]), "nats should have the shape"),
        (lambda terms: terms._replace(loss=terms.nats), "tensors of no dimension"),
    ],
)
def test_what_is_no_objective_is_named(returned, problem, tmp_path):
    class Odd:
        """Returns something else."""

        def loss(self, hidden, head, window):
            terms = seqlab.Terms(*seqlab.head_loss(head, hidden, window.targets, window.shares))
            return returned(terms)

    with pytest.raises(seqlab.SeqlabError, match=f"objective Odd: .*{problem}"):
        run(tmp_path, plugins=[Odd], objective="odd")


def test_metrics_and_methods_are_columns_of_evaluations(tmp_path):
    class Adapting:
        """Takes a step of gradient descent after each window (Krause et al., 2018).

        Args:
            lr: of the steps.
        """

        def __init__(self, *, lr: float = 0.05):
            self.lr = lr

        def nats(self, model, batches):
            for batch in batches:
                hidden, _ = model.hidden(batch.inputs, None)
                loss, nats = seqlab.head_loss(
                    model.head, hidden, batch.targets, 1 / batch.targets.numel()
                )
                model.zero_grad()
                loss.backward()
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter -= self.lr * parameter.grad
                yield nats

    metrics = ["accuracy", {"name": "top_k", "k": 3}, "calibration_error"]
    plugins = [{"evaluation_methods": {"adapting": Adapting}}]
    plain = run(tmp_path, "plain")
    evaluation = {**EXPERIMENT["evaluation"], "metrics": metrics, "methods": ["adapting"]}
    measured = run(tmp_path, "measured", plugins=plugins, evaluation=evaluation)
    row = next(row for row in measured.metrics[::-1] if row["split"] == "train" and "top_3" in row)
    assert 0 <= row["accuracy"] <= row["top_3"] <= 1
    assert 0 <= row["calibration_error"] <= 1
    assert row["adapting_loss"] < row["loss"]
    for name, weight in weights(plain).items():
        assert torch.equal(weight, weights(measured)[name]), "a method changed the training"


@pytest.mark.parametrize("name", ["masked", "distilled"])
def test_the_shipped_experiment_runs_and_goes_on_to_the_bit(name, tmp_path):
    folder = Path(__file__).parents[2] / "experiments"
    small = [
        *("corpus.max_characters=20000", "cell.hidden_size=8", "train.cuda_graphs=false"),
        *("sampler.batch_size=4", "sampler.window=16", "evaluation.every=4", "samples=null"),
    ]
    if name == "distilled":
        teacher = seqlab.run(
            folder / "standard_library.yaml",
            overrides=[*small, "train.steps=2"],
            run_dir=tmp_path / "python",
        )
        small.append(f"objective.teacher={teacher.path}")
    file = folder / f"{name}.yaml"
    whole = seqlab.run(file, overrides=[*small, "train.steps=8"], run_dir=tmp_path / "whole")
    seqlab.run(file, overrides=[*small, "train.steps=4"], run_dir=tmp_path / "part")
    part = seqlab.resume(tmp_path / "part", overrides=["train.steps=8"])
    assert all(torch.equal(w, weights(part)[name]) for name, w in weights(whole).items())


def test_a_number_that_is_measured_twice_is_refused_before_there_is_a_run(tmp_path):
    evaluation = {**EXPERIMENT["evaluation"], "metrics": ["top_k", "top_k"]}
    with pytest.raises(
        seqlab.ExperimentError, match=r"evaluation.metrics: 'top_5' is measured twi"
    ):
        run(tmp_path, evaluation=evaluation)
    assert not (tmp_path / "run").exists()


class Lazy:
    """Scores the first window alone."""

    def nats(self, model, batches):
        batch = next(iter(batches))
        hidden, _ = model.hidden(batch.inputs, None)
        yield seqlab.head_loss(model.head, hidden, batch.targets, 1.0)[1]


def test_a_method_that_leaves_targets_out_is_refused(tmp_path):
    plugins = [{"evaluation_methods": {"lazy": Lazy}}]
    evaluation = {**EXPERIMENT["evaluation"], "methods": ["lazy"], "window": 32}
    with pytest.raises(seqlab.SeqlabError, match="'lazy' should yield nats for every batch"):
        run(tmp_path, plugins=plugins, evaluation=evaluation)
