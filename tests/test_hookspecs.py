"""Every hook is documented for authors, and one of each works from a dropped-in file."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqlab
from seqlab import hookspecs
from seqlab.experiment.kinds import KINDS
from seqlab.hookspecs import EVENTS

README = Path(__file__).resolve().parents[1] / "plugins" / "README.md"
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("seqlab_"))

STRANGER = '''
import numpy as np
import torch
import seqlab


class Alphabet:
    """A corpus."""

    splits = ("train",)

    def documents(self, split):
        yield "abcdefgh" * 40

    def fingerprint(self):
        return "alphabet"


class Bytes:
    """A tokenizer."""

    size = 256
    end_of_document = None

    def fit(self, documents):
        pass

    def encode(self, text):
        return np.frombuffer(text.encode(), dtype=np.uint8)

    def token_bytes(self, token):
        return bytes([token])

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class Halves:
    """A sampler of two rows."""

    def __init__(self, tokens, seed, *, window: int = 10):
        self.tokens, self.window = tokens, window
        self.starts = np.array([0, len(tokens) // 2])

    def __len__(self):
        return (len(self.tokens) // 2 - 1) // self.window

    def batch(self, epoch, index):
        starts = self.starts + index * self.window
        return self.tokens.windows(starts, self.window, continues=index > 0)

    def left_out(self, epoch):
        return []


class Sum(torch.nn.Module):
    """A cell."""

    def __init__(self, input_size):
        super().__init__()
        self.output_size = 8
        self.linear = torch.nn.Linear(input_size, 8)

    @seqlab.unroll
    def forward(self, x, h):
        h = torch.tanh(h + self.linear(x))
        return h, h


def descent(parameters, *, lr: float = 0.1):
    return torch.optim.SGD(parameters, lr=lr)


def halving(optimizer, total_steps):
    return torch.optim.lr_scheduler.StepLR(optimizer, max(total_steps // 2, 1))


class Last:
    """A decoder: repeats the last token of the history."""

    def choose(self, logits, history, uniform):
        return history[:, -1]


class Diary:
    """An observer: writes down which events came."""


def _note(name):
    def method(self, record):
        with open("diary.txt", "a") as diary:
            diary.write(name + "\\n")
    return method


for _name in EVENTS:
    setattr(Diary, _name, _note(_name))


@seqlab.hookimpl
def seqlab_register_corpora():
    return {"alphabet": Alphabet}

@seqlab.hookimpl
def seqlab_register_tokenizers():
    return {"raw": Bytes}

@seqlab.hookimpl
def seqlab_register_samplers():
    return {"halves": Halves}

@seqlab.hookimpl
def seqlab_register_cells():
    return {"sum": Sum}

@seqlab.hookimpl
def seqlab_register_optimizers():
    return {"descent": descent}

@seqlab.hookimpl
def seqlab_register_schedules():
    return {"halving": halving}

@seqlab.hookimpl
def seqlab_register_decoders():
    return {"last": Last}

@seqlab.hookimpl
def seqlab_register_observers():
    return {"diary": Diary}
'''

EXPERIMENT = {
    "corpus": "alphabet",
    "tokenizer": "raw",
    "sampler": "halves",
    "cell": "sum",
    "optimizer": "descent",
    "schedule": "halving",
    "decoder": "last",
    "observers": ["diary"],
    "train": {"epochs": 2},
    "samples": {"prefixes": ["abc"], "length": 4},
}


@pytest.fixture
def strangers_run():
    """A run in which every component is a stranger's."""
    Path("plugins").mkdir()
    events = f"EVENTS = {sorted(EVENTS)!r}\n"
    Path("plugins/stranger.py").write_text(events + STRANGER)
    return seqlab.run(EXPERIMENT)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_for_authors(hook):
    assert f"`{hook}" in README.read_text("utf-8")
    assert getattr(hookspecs, hook).__doc__


def test_hooks_are_fourteen_kinds_and_seven_events():
    assert {kind.hook for kind in KINDS.values()} | EVENTS == {*HOOKS} - {"seqlab_register_kinds"}
    assert (len(KINDS), len(EVENTS)) == (14, 7)


def test_a_strangers_components_make_a_whole_experiment(strangers_run):
    assert [row["epoch"] for row in strangers_run.metrics] == [1, 2]
    assert strangers_run.generate("abc", length=4)[0].text == "abccccc"


@pytest.mark.usefixtures("strangers_run")
def test_an_observer_is_told_every_event_in_the_order_it_happens():
    told = [line.removeprefix("seqlab_") for line in Path("diary.txt").read_text().splitlines()]
    epoch = ["step_ended"] * 15 + ["epoch_ended", "text_generated"]
    assert told == ["run_started", *epoch, *epoch, "checkpoint_saved", "run_ended"]
