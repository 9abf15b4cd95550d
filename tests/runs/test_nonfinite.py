"""Steps whose loss or gradient is no number: stopped at, or skipped."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import seqlab
from seqlab.errors import RunFailed
from seqlab.model.state import map_state
from seqlab.registry import resolve
from seqlab.runs.building import build
from seqlab.runs.description import describe_run
from seqlab.runs.error_messages import compiler_errors
from seqlab.runs.folder import RunFolder
from seqlab.runs.observers import Observers
from seqlab.runs.running import resolved_text
from seqlab.runs.session import Session

FRAGILE = """
    from torch import nn
    from seqlab import hookimpl

    class Fragile(nn.Module):
        '''Gives what is no number at some of its calls in training, counted from 1.'''

        def __init__(self, input_size, *, bad: list[int]):
            super().__init__()
            self.output_size, self.bad, self.calls = 8, bad, 0
            self.inner = nn.RNN(input_size, 8, batch_first=True)

        def forward(self, inputs, state):
            self.calls += self.training
            outputs, after = self.inner(inputs, None if state is None else state.transpose(0, 1))
            broken = float("nan") if self.training and self.calls in self.bad else 1.0
            return outputs * broken, after.transpose(0, 1) * broken

    @hookimpl
    def seqlab_register_cells():
        return {"fragile": Fragile}
"""


@pytest.fixture(params=["read at once", "read a step later"])
def whole(request, full, drop):
    """Run the full experiment into `here`, with other sections and a cell that can break.

    On a GPU the flag of a step is read one step later; the kernels here can do the same.
    """
    drop(FRAGILE)
    run = seqlab.run if request.param == "read at once" else run_checking_late

    def whole(where="here", **sections):
        return run(full | sections, run_dir=where)

    return whole


def run_checking_late(experiment, run_dir):
    """Run an experiment, each step checked while the next one runs."""
    seqlab.run(experiment, overrides=["train.steps=0"], run_dir=run_dir)
    registry, folder = seqlab.load_plugins(), RunFolder(Path(run_dir))
    resolved = resolve(seqlab.read_experiment(experiment), registry)
    parts = build(resolved)
    parts = replace(parts, training=replace(parts.training, check_late=True))
    folder.resolved.write_bytes(resolved_text(resolved, parts))
    description = describe_run(resolved, registry, parts, overrides=[])
    Session(resolved, parts, folder, Observers([]), description).run()
    return seqlab.open_run(run_dir)


def fragile(full, *bad, accumulate=1, **train):
    """Sections of an experiment whose cell gives no numbers at some calls."""
    train = full["train"] | {"accumulate": accumulate, "average": None} | train
    return {"cell": {"name": "fragile", "bad": list(bad)}, "train": train} | {
        "model": {"embedding": 8}
    }


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(full, whole):
    with pytest.raises(RunFailed) as caught:
        whole(**fragile(full, 13, checkpoint={"every": 5, "keep": 1}))
    assert re.match(
        r"step 13 \(number 13 of epoch 1\) is not finite: its loss is nan, the gradient norm nan,"
        r" the learning rate 0\.01(; it began in |\.)",
        str(caught.value),
    )
    run = seqlab.open_run("here")
    assert (run.description["status"], run.checkpoint.step) == ("failed", 12)


def test_who_stopped_at_a_step_is_told_how_to_go_on_without_it(full, whole, caplog):
    with pytest.raises(RunFailed):
        whole(**fragile(full, 13, checkpoint={"every": 5, "keep": 1}))
    advice = '.resume(overrides=["train.on_nonfinite=skip"])'
    assert caplog.messages[-1].endswith(advice)


def test_a_run_that_failed_goes_on_from_its_last_checkpoint(full, whole, facts):
    expected = facts(whole("whole", **fragile(full)))
    with pytest.raises(RunFailed):
        whole(**fragile(full, 13))
    assert facts(seqlab.resume("here")) == expected


def test_a_skipped_step_leaves_weights_and_optimizer_as_they_were(full, whole):
    before = whole("before", **fragile(full, steps=4)).checkpoint
    after = whole("after", **fragile(full, 5, steps=5, on_nonfinite="skip")).checkpoint
    assert all(tensor.equal(before.weights[name]) for name, tensor in after.weights.items())
    moments = [c.state["training"]["optimizer"]["state"][0]["exp_avg"] for c in (before, after)]
    assert moments[0].equal(moments[1])


def test_a_skipped_step_is_not_averaged_either(full, whole):
    before = whole("before", **fragile(full, steps=4, average=0.5)).checkpoint
    after = whole("after", **fragile(full, 5, steps=5, average=0.5, on_nonfinite="skip")).checkpoint
    assert all(tensor.equal(before.weights[name]) for name, tensor in after.weights.items())


def test_after_a_skipped_step_the_state_starts_afresh(full, whole):
    run = whole(**fragile(full, 5, steps=5, on_nonfinite="skip"))
    state = run.checkpoint.state["training"]["state"]
    left: list[bool] = []
    if state is not None:
        map_state(lambda tensor: left.append(bool(tensor.any())) or tensor, state)
    assert not any(left)


def test_one_bad_batch_of_several_skips_the_whole_step(full, whole, caplog):
    run = whole(**fragile(full, 5, accumulate=2, steps=6, on_nonfinite="skip"))
    assert "Step 3 (number 3 of epoch 1) is not finite" in caplog.text
    steps = run.checkpoint.state["training"]["optimizer"]["state"][0]["step"]
    assert float(steps) == 5


def test_training_goes_on_after_skipped_steps_and_counts_only_what_was_learnt(full, whole, caplog):
    run = whole(**fragile(full, 3, 4, 9, on_nonfinite="skip"), evaluation={"every": 20})
    (train, *_) = (row for row in run.metrics if row["split"] == "train")
    assert (train["step"], train["tokens"]) == (14, (14 - 3) * 4 * 4)
    assert train["loss"] < 3.4
    assert run.description["status"] == "finished"
    assert caplog.text.count("It is skipped") == 3


def test_a_run_that_skips_its_last_step_of_an_epoch_still_writes_that_row(full, whole):
    run = whole(**fragile(full, 14, on_nonfinite="skip"))
    row = next(row for row in run.metrics if row["split"] == "train")
    assert (row["step"], row["gradient_norm"]) == (14, None)


SPOILT = """
    import torch
    from torch import nn
    from seqlab import hookimpl

    class Spoilt(nn.Module):
        '''A cell whose outputs are not finite from a step on.'''

        output_size = 4

        def __init__(self, input_size: int, *, good: int = 2):
            super().__init__()
            self.weight = nn.Linear(input_size, 4)
            self.left = good

        def forward(self, inputs, state):
            self.left -= self.training
            outputs = self.weight(inputs)
            if self.left < 0:
                outputs = outputs / 0
            return outputs, outputs[:, -1].detach() * 0

    @hookimpl
    def seqlab_register_cells():
        return {"spoilt": Spoilt}
"""


@pytest.mark.parametrize("layers", [1, 3])
def test_the_layer_where_numbers_stopped_being_finite_is_named(tiny, drop, layers):
    drop(SPOILT)
    model = {"embedding": 4, "layers": layers}
    with pytest.raises(
        seqlab.SeqlabError, match=r"it began in the outputs of layers\.0 \(Spoilt\)"
    ):
        seqlab.run(tiny | {"cell": "spoilt", "model": model}, run_dir="r")


def test_a_weight_that_is_not_finite_is_named(tiny):
    huge = {"optimizer": {"name": "sgd", "lr": 1e38}, "train": {"steps": 9}}
    with pytest.raises(seqlab.SeqlabError, match=r"the weight .* is not finite before it|it began"):
        seqlab.run(tiny | huge, run_dir="r")


def test_a_model_that_torch_cannot_compile_is_told_in_one_line_with_what_to_do(tiny, registry):
    unsupported = type("Unsupported", (RuntimeError,), {"__module__": "torch._dynamo.exc"})
    experiment = seqlab.read_experiment(tiny, ["train.compile=true"])
    with (
        pytest.raises(seqlab.SeqlabError, match=r"train\.compile: torch cannot compile") as caught,
        compiler_errors(resolve(experiment, registry)),
    ):
        raise unsupported("no C++ compiler\nat line 3")
    assert caught.value.exit_code == 1
    assert 'overrides=["train.compile=false"]' in str(caught.value)
