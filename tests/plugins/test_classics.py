"""Each file of `experiments/classics` trains as its paper says, for twenty steps, at a small size.

A run of the file and a slow reference begin with the same weights and read the same windows. Masks
of noise are handed over: the run draws them by `functional.dropout`, which is replaced by one that
keeps them, and the reference takes each once, in that order. Without noise every mask is all ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch.nn import functional

import seqlab

from .classic_models import losses_of
from .recipes import STEPS, mask

CLASSICS = Path(__file__).resolve().parents[2] / "experiments" / "classics"
SONG = "the river runs to the sea and the sea is deep\nno rain falls on the river\n"
ROWS, WINDOW = 4, 9
ULMFIT_RATES = (2.28e-4, 5.92e-4, 1.54e-3)


class Clipped:
    """Plain steps along gradients of at most this norm."""

    def __init__(self, clip, decay=0.0):
        self.clip, self.decay = clip, decay

    def __call__(self, weights, gradients, rates):
        norm = sum(float(g.square().sum()) for g in gradients) ** 0.5
        scale = min(1.0, self.clip / (norm + 1e-6))
        for place, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            step = self.direction(place, gradient * scale + self.decay * weight.detach())
            weight.data.sub_(step, alpha=rates[place])

    def direction(self, place, gradient):
        return gradient


class Adam(Clipped):
    """Kingma and Ba, 2015."""

    def __init__(self, clip, betas=(0.9, 0.999)):
        super().__init__(clip)
        self.betas, self.means, self.squares, self.count = betas, {}, {}, {}

    def direction(self, place, gradient):
        first, second = self.betas
        count = self.count[place] = self.count.get(place, 0) + 1
        self.means[place] = first * self.means.get(place, 0) + (1 - first) * gradient
        self.squares[place] = second * self.squares.get(place, 0) + (1 - second) * gradient**2
        mean = self.means[place] / (1 - first**count)
        return mean / ((self.squares[place] / (1 - second**count)).sqrt() + 1e-8)


class RMSprop(Clipped):
    """Hinton's lecture, with the share of Karpathy."""

    squares: dict

    def direction(self, place, gradient):
        self.squares = getattr(self, "squares", {})
        self.squares[place] = 0.95 * self.squares.get(place, 0) + 0.05 * gradient**2
        return gradient / (self.squares[place].sqrt() + 1e-8)


def triangle(step, total=STEPS):
    """The slanted one of Howard and Ruder, with a rise of a tenth and a ratio of 32."""
    cut = int(total * 0.1)
    part = step / cut if step < cut else 1 - (step - cut) / (cut * (1 / 0.1 - 1))
    return (1 + part * 31) / 32


def thawed(name, step, epoch):
    """Rates by layer; the lower ones begin later."""
    for layer, rate in enumerate(ULMFIT_RATES):
        if f"layers.0.cell.{layer}." in name:
            return rate * triangle(step) * (epoch >= 3 - layer)
    return 4e-3 * triangle(step)


@dataclass
class Recipe:
    """What the paper of a file says, and at which size it is tried."""

    rate: Callable[[str, int, int], float]  # of a name, a step and an epoch
    optimizer: Callable[[], Clipped]
    noise: set[str]
    overrides: dict
    cell: str = "lstm"
    embedding: str = "table"
    head: str = "linear"
    locked: bool = False
    penalties: tuple[float, float] | None = None
    text: str = SONG * 40  # twenty steps are less than an epoch


def sgd(rate, clip, **more):
    return {"rate": lambda *_: rate, "optimizer": lambda: Clipped(clip, **more)}


def adam(rate, clip, **more):
    return {"rate": lambda *_: rate, "optimizer": lambda: Adam(clip, **more)}


def stacked(*sizes, **cell):
    """Layers of a stack, around which weights drop out unless the cell says something else."""
    dropped = {"name": "weight_drop", "share": 0.5}
    return [
        {"hidden_size": size, **cell}
        if cell
        else {**dropped, "inner": {"name": "lstm", "hidden_size": size}}
        for size in sizes
    ]


SMALL = {"cell.hidden_size": 6}
TWO = {**SMALL, "model.embedding": 5}
THREE = {"cell.layers": stacked(7, 6, 5), "model.embedding.size": 5}
MERITY = {"words", "embedding", "between", "weights", "outputs"}
ORDINARY = {"embedding", "between", "outputs"}
ZAREMBA = {**sgd(1.0, 5), "noise": ORDINARY, "overrides": TWO}
AWD = {
    **sgd(30, 0.25, decay=1.2e-6),
    "noise": MERITY,
    "overrides": THREE,
    "locked": True,
    "penalties": (2.0, 1.0),
    "text": SONG * 12,
}
ULMFIT = {**AWD, **adam(4e-3, 0.25, betas=(0.7, 0.99))}

RECIPES = {
    "textbook": Recipe(
        **adam(1e-3, 0.01),
        noise=set(),
        overrides=SMALL,
        cell="rnn",
        text=SONG * 5,
        embedding="one_hot",
    ),
    "word_language_model": Recipe(**sgd(20, 0.25), noise=ORDINARY, overrides=TWO),
    "zaremba_small": Recipe(**{**ZAREMBA, "noise": set()}),
    "zaremba_medium": Recipe(**ZAREMBA),
    "zaremba_large": Recipe(**{**ZAREMBA, **sgd(1.0, 10)}),
    "awd_lstm": Recipe(**AWD),
    "awd_lstm_finetune": Recipe(**AWD),
    "awd_lstm_pointer": Recipe(**AWD),
    "mos": Recipe(
        **{**AWD, **sgd(20, 0.25, decay=1.2e-6), "head": "mixture"}
        | {"overrides": {**THREE, "model.head.size": 5, "model.head.softmaxes": 3}}
    ),
    "mogrifier": Recipe(
        **{**AWD, **adam(2e-3, 10), "cell": "mogrifier", "noise": MERITY - {"weights"}}
        | {
            "overrides": {
                "cell.layers": stacked(6, 5, name="mogrifier_lstm", rounds=5, rank=2),
                "model.embedding.size": 5,
            }
        }
    ),
    "char_rnn": Recipe(
        rate=lambda *_: 2e-3,
        optimizer=lambda: RMSprop(5),
        noise=set(),
        overrides=SMALL,
        embedding="one_hot",
    ),
    "kim_character_cnn": Recipe(
        **sgd(1.0, 5),
        noise={"between", "outputs"},
        overrides={
            **SMALL,
            "model.embedding": {"size": 4, "widths": [1, 2, 3], "filters": 2, "most": 5},
        },
        embedding="characters",
    ),
    "text8_lstm": Recipe(
        **adam(1e-3, 1.0), noise=set(), overrides=SMALL, text=SONG * 5, embedding="one_hot"
    ),
    "enwik8_mlstm": Recipe(
        rate=lambda _name, step, _epoch: 1e-3 * (1 - step / STEPS),
        optimizer=lambda: Adam(1.0),
        noise={"embedding", "outputs"},
        overrides=TWO,
        cell="multiplicative",
    ),
    "ulmfit_pretrain": Recipe(**{**ULMFIT, "rate": lambda _n, step, _e: 4e-3 * triangle(step)}),
    "ulmfit": Recipe(**{**ULMFIT, "rate": thawed, "text": SONG * 9}),
}


class Noise:
    """Keeps the masks that a run draws, and hands them over in their order."""

    def __init__(self, on):
        self.on, self.masks, self.drawn = on, [], 0

    def dropout(self, values, p=0.5, training=True, inplace=False):
        """In place of that of torch."""
        if not (training and p):
            return values
        self.drawn += 1
        ones = torch.ones(values.shape, dtype=torch.float64)
        drawn = mask(*values.shape, share=p, seed=self.drawn) if self.on else ones
        self.masks.append(drawn)
        return values * drawn.to(values.dtype)

    def __call__(self, values, locked=False):
        drawn = self.masks.pop(0)
        wanted = (len(values), 1, values.shape[-1]) if locked else values.shape
        assert drawn.shape == wanted
        return values * drawn


class Losses:
    """Keeps the loss of each step."""

    step_interval = 1

    def seqlab_step_ended(self, record) -> None:
        SEEN.append(record.loss)


SEEN: list[float] = []


def started(name, recipe, steps, run_dir, **more):
    settings = {
        "corpus": {"name": "text", "path": "text.txt"},
        "evaluation.split": "train",
        "sampler.batch_size": ROWS,
        "sampler.window": WINDOW,
        "samples": None,
        "train.epochs": None,
        "train.steps": steps,
        "train.precision": "float32",
        **recipe.overrides,
    }
    plugins = [{"observers": {"losses": Losses}}]
    return seqlab.run(
        CLASSICS / f"{name}.yaml", overrides=settings | more, run_dir=run_dir, plugins=plugins
    )


def said(run):
    """The experiment of a run, with all its keys."""
    return yaml.safe_load((run.path / "resolved.yaml").read_text("utf-8"))


def placed_batches(run, registry, text):
    """Epoch, index and batch of each step, and by what its rate is multiplied."""
    ids, experiment = np.asarray(run.tokenizer.encode(text)), said(run)
    section = dict(experiment["sampler"])
    make = registry.find("sampler", section.pop("name")).factory
    tokens = seqlab.Tokens(ids, np.zeros(1, np.int64))
    sampler = make(tokens, experiment["train"]["seed"], **section)
    count = getattr(sampler, "batches", lambda _: len(sampler))
    rate = getattr(sampler, "rate", lambda *_: 1.0)
    for epoch in range(STEPS):
        for index in range(count(epoch)):
            yield epoch, sampler.batch(epoch, index), rate(epoch, index)


def reference(run, recipe, noise, registry):
    """The loss of each step of the paper's training."""
    weights = {n: w.double().requires_grad_() for n, w in run.checkpoint.weights.items()}
    head = "head.decoder.weight" if recipe.head == "mixture" else "head.weight"
    if said(run)["model"].get("tie_weights"):
        weights[head] = weights["embedding.weight"]
    words = [run.tokenizer.token_bytes(t).decode("latin-1") for t in range(run.tokenizer.size)]
    names = list({id(weight): name for name, weight in weights.items()}.values())  # a tied one once
    trained, update, state, found = [weights[n] for n in names], recipe.optimizer(), None, []
    steps = zip(range(STEPS), placed_batches(run, registry, recipe.text), strict=False)
    for step, (epoch, batch, share) in steps:
        state = state if bool(batch.continues.all()) else None
        nats, whole, state = losses_of(weights, batch, state, words, recipe, noise)
        gradients = torch.autograd.grad(whole, trained)
        update(trained, gradients, [recipe.rate(n, step, epoch) * share for n in names])
        found.append(float(nats.detach()))
    return found


def test_no_file_is_without_a_reference():
    assert sorted(RECIPES) == sorted(path.stem for path in CLASSICS.glob("*.yaml"))


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("name", RECIPES)
def test_it_is_its_paper_for_twenty_steps(name, noisy, registry, tmp_path, monkeypatch):
    recipe, noise = RECIPES[name], Noise(noisy)
    if noisy and not recipe.noise:
        pytest.skip("its paper has no noise")
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(recipe.text)
    begin = {}
    if name == "ulmfit":
        started("ulmfit_pretrain", RECIPES["ulmfit_pretrain"], 0, "pretrained")
        begin = {"train.init_from.run": "pretrained"}
    SEEN.clear()
    first = started(name, recipe, 0, "first", **begin)
    monkeypatch.setattr(functional, "dropout", noise.dropout)
    started(name, recipe, STEPS, "run", observers=["losses"], **begin)
    wanted = reference(first, recipe, noise, registry)
    assert noise.masks == []
    assert len(SEEN) == STEPS
    assert pytest.approx(wanted, rel=1e-5) == SEEN
    assert min(SEEN) < SEEN[0]  # some rates are those of larger models
