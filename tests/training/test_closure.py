"""Optimizers that evaluate loss and gradients by themselves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import seqlab
from seqlab.errors import ExperimentError, PluginError, RunFailed
from seqlab.training.closure import skips_by_flag

OPTIMIZERS = """
    import json
    from pathlib import Path
    import torch
    import seqlab

    class Once(torch.optim.SGD):
        '''Gradient descent that evaluates by itself.'''

        needs_closure = True

        @torch.no_grad()
        def step(self, closure):
            loss = closure()
            super().step()
            return loss

    class Twice(Once):
        '''Evaluates twice at the same weights, and notes what came out.'''

        def step(self, closure):
            weights = [p for group in self.param_groups for p in group["params"]]
            seen = [[float(closure())] + [p.grad.tolist() for p in weights] for _ in range(2)]
            with Path("seen.jsonl").open("a") as file:
                file.write(json.dumps(seen) + "\\n")
            torch.optim.SGD.step(self)

    class Never(Once):
        '''Does not evaluate.'''

        def step(self, closure):
            torch.optim.SGD.step(self)

    class Swallows(Once):
        '''Goes on where an evaluation fails.'''

        def step(self, closure):
            for _ in range(2):
                try:
                    closure()
                except Exception:
                    pass
                torch.optim.SGD.step(self)

    def lbfgs(parameters: seqlab.NamedParameters, *, lr: float = 0.1):
        '''torch's, as anybody would offer it.'''
        optimizer = torch.optim.LBFGS(
            [p for _, p in parameters], lr=lr, max_iter=3, line_search_fn="strong_wolfe"
        )
        optimizer.needs_closure = True
        return optimizer

    def momentum(cls):
        def build(parameters: seqlab.NamedParameters, *, lr: float = 0.1):
            return cls(parameters, lr=lr, momentum=0.9)
        return build

    @seqlab.hookimpl
    def seqlab_register_optimizers():
        classes = {"once": Once, "twice": Twice, "never": Never, "swallows": Swallows}
        return {"lbfgs": lbfgs} | {name: momentum(cls) for name, cls in classes.items()}
"""

FRAGILE = """
    from torch import nn
    from seqlab import hookimpl

    class Fragile(nn.Module):
        '''Counts its calls in training, also in a buffer; some of them give what is no number.'''

        def __init__(self, input_size, *, bad: list[int]):
            super().__init__()
            self.output_size, self.bad, self.calls = 8, bad, 0
            self.inner = nn.Linear(input_size, 8)
            self.register_buffer("seen", nn.Parameter().new_zeros(()))

        def forward(self, inputs, state):
            self.calls += self.training
            self.seen += self.training
            broken = float("nan") if self.training and self.calls in self.bad else 1.0
            outputs = self.inner(inputs) * broken
            return outputs, outputs[:, -1].detach() * 0

    @hookimpl
    def seqlab_register_cells():
        return {"fragile": Fragile}
"""


@pytest.fixture(autouse=True)
def _plugins(drop):
    drop(OPTIMIZERS)
    drop(FRAGILE, "fragile")


@pytest.fixture
def run(full):
    """Run the full experiment with an optimizer and with changes in its section `train`."""

    def run(optimizer, where, cell=None, **train):
        section = {"name": optimizer, "clip_norm": 0.5}
        section |= {"lr": 0.1} if optimizer != "sam" else {}
        section |= {"momentum": 0.9} if optimizer == "sgd" else {}
        sections = {"optimizer": section, "train": full["train"] | train}
        if cell:
            sections |= {"cell": cell, "model": {"embedding": 8}}
        return seqlab.run(full | sections, run_dir=where)

    return run


def test_who_evaluates_once_is_as_who_is_given_gradients(run, facts):
    given, by_itself = facts(run("sgd", "given")), facts(run("once", "by_itself"))
    for part in ("metrics", "samples", "weights"):
        assert by_itself[part] == given[part]
    carried = [facts["state"]["training"]["state"] for facts in (given, by_itself)]
    assert carried[0] == carried[1]


def test_each_evaluation_is_of_the_same_batches_with_the_same_chance(run):
    """Dropout is on, states are carried, and two batches make a step."""
    run("twice", "twice")
    lines = Path("seen.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 20
    for line in lines:
        first, second = json.loads(line)
        assert first == second


def test_each_evaluation_is_clipped(run):
    run("twice", "twice", steps=3)
    for line in Path("seen.jsonl").read_text("utf-8").splitlines():
        for _, *gradients in json.loads(line):
            flat = torch.cat([torch.tensor(gradient).flatten() for gradient in gradients])
            assert float(flat.norm()) <= 0.5 + 1e-5


def test_state_and_report_are_those_of_the_first_evaluation(run):
    """A step of `sam` begins where one of `sgd` does, and evaluates elsewhere too."""
    plain, sharp = (run(name, name, steps=1).checkpoint.state for name in ("sgd", "sam"))
    for key in ("sums", "gradient_norm"):
        assert plain["last"][key].equal(sharp["last"][key])
    ours, theirs = (_tensors(state["training"]["state"]) for state in (plain, sharp))
    assert all(a.equal(b) for a, b in zip(ours, theirs, strict=True))


def _tensors(state):
    return [state] if isinstance(state, torch.Tensor) else [t for s in state for t in _tensors(s)]


def test_buffers_are_those_of_the_first_evaluation(run):
    cell = {"name": "fragile", "bad": []}
    saved = run("twice", "run", cell, steps=5, accumulate=1, average=None).checkpoint
    assert saved.weights["layers.0.cell.seen"] == 5


@pytest.mark.parametrize("optimizer", ["sam", "lbfgs"])
def test_a_pause_changes_no_bit(optimizer, run, facts):
    whole = run(optimizer, "whole")
    copy = shutil.copytree("whole", "copy")
    assert facts(seqlab.resume(copy, checkpoint=10)) == facts(whole)


@pytest.mark.parametrize("optimizer", ["sam", "lbfgs", "once"])
def test_it_learns(optimizer, run):
    rows = [r["loss"] for r in run(optimizer, "run").metrics if r["split"] == "train"]
    assert rows[-1] < rows[0]


BAD = {"name": "fragile", "bad": [8]}  # the second evaluation of the fourth step


@pytest.mark.parametrize("optimizer", ["twice", "sam"])
def test_an_evaluation_that_is_not_finite_stops_the_run(optimizer, run):
    with pytest.raises(RunFailed) as caught:
        run(optimizer, "run", BAD, accumulate=1, average=None)
    assert str(caught.value).startswith(
        "step 4 (number 4 of epoch 1) is not finite in its evaluation 2: its loss is nan, the"
    )
    assert str(caught.value).endswith("It was not taken; a smaller lr or a clip_norm may help.")


@pytest.mark.parametrize("optimizer", ["twice", "sam", "swallows"])
def test_a_step_that_is_skipped_leaves_weights_optimizer_and_buffers(optimizer, run, caplog):
    train = {"accumulate": 1, "average": None, "on_nonfinite": "skip"}
    before = run(optimizer, "before", BAD, steps=3, **train).checkpoint
    after = run(optimizer, "after", BAD, steps=4, **train).checkpoint
    assert "not finite in its evaluation 2" in caplog.text
    weights = [{n: w for n, w in c.weights.items() if "seen" not in n} for c in (before, after)]
    assert all(w.equal(weights[0][name]) for name, w in weights[1].items())
    optimizers = [
        json.dumps(c.state["training"]["optimizer"], default=_list) for c in (before, after)
    ]
    assert optimizers[0] == optimizers[1]
    assert after.state["training"]["state"] is None


def _list(tensor):
    return tensor.tolist()


def test_training_goes_on_after_a_skipped_evaluation(run):
    train = {"accumulate": 1, "average": None, "on_nonfinite": "skip"}
    rows = run("sam", "run", {"name": "fragile", "bad": [8, 9, 30]}, **train).metrics
    assert rows[-1]["loss"] < 3.4


def test_an_optimizer_that_needs_a_closure_and_calls_none_is_named(run):
    with pytest.raises(PluginError, match="Never says `needs_closure`, but its step calls none"):
        run("never", "run")


def test_a_profile_has_the_parts_of_each_evaluation(tiny):
    run = seqlab.run(tiny | {"optimizer": "sam", "train": {"steps": 20}}, profile=True)
    assert {"forward", "backward", "clip"} <= run.description["profile"].keys()


def test_one_of_several_optimizers_cannot_need_a_closure(tiny):
    with pytest.raises(ExperimentError) as caught:
        seqlab.run(tiny | {"optimizer": {"name": "groups", "base": "sam"}})
    assert "SAM needs a closure, so it cannot be one of several optimizers" in str(caught.value)
    assert str(caught.value).startswith("experiment: optimizer")


def test_lookahead_passes_the_closure_on(tiny):
    tiny["train"] = {"steps": 4}
    base = {"name": "sam", "base": {"name": "sgd", "lr": 0.1}}
    slow = {"name": "lookahead", "base": base, "steps": 9}
    runs = [seqlab.run(tiny | {"optimizer": o}, run_dir=o["name"]) for o in (base, slow)]
    first, second = (run.checkpoint.weights for run in runs)
    assert all(weight.equal(second[name]) for name, weight in first.items())


def test_an_optimizer_with_a_closure_is_not_told_to_skip_but_checked_at_once():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1, fused=True)
    assert skips_by_flag(optimizer)
    optimizer.needs_closure = True
    assert not skips_by_flag(optimizer)
