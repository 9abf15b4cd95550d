"""Averaged SGD, when it begins, and that it goes on to the bit; schedules by epochs."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import torch
from seqlab_plugins.decaying_schedules import exponential, inverse_square_root, step
from seqlab_plugins.optimizers.averaged import ASGD
from torch import nn

import seqlab
from seqlab.experiment.yaml12 import dump_yaml


def trained(optimizer, weight, losses, steps_each=3):
    """Take steps with given gradients, and tell a loss after every three; return all weights."""
    path = []
    for number, loss in enumerate(losses):
        for each in range(steps_each):
            weight.grad = torch.tensor([float(number + each) - 2.0])
            optimizer.step()
            path.append(float(weight.detach()))
        if optimizer.evaluated is not None:
            optimizer.evaluated(loss)
    return path


def evaluated(optimizer, weight):
    """The weights for use; those that are trained are there again afterwards."""
    before = weight.detach().clone()
    optimizer.eval()
    used = float(weight.detach())
    optimizer.train()
    assert torch.equal(before, weight)
    return used


def triggered(losses, patience):
    """After which evaluation the paper's rule begins to average; None: after none."""
    best = []
    for number, loss in enumerate(losses):
        if len(best) > patience and loss > min(best[:-patience]):
            return number
        best.append(loss)
    return None


@pytest.mark.parametrize("patience", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_it_averages_all_weights_since_the_papers_rule_says_so(patience, seed):
    losses = torch.rand(14, generator=torch.Generator().manual_seed(seed)).tolist()
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer = ASGD([("w", weight)], lr=0.1, patience=patience)
    path = trained(optimizer, weight, losses)
    begin = triggered(losses, patience)
    since = path[-1:] if begin is None else path[3 * (begin + 1) :] or path[-1:]
    assert evaluated(optimizer, weight) == pytest.approx(sum(since) / len(since), rel=1e-5)


def test_it_can_begin_at_a_step_and_then_waits_for_no_evaluation():
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer = ASGD([("w", weight)], lr=0.1, start=4)
    assert optimizer.evaluated is None
    path = trained(optimizer, weight, [1.0] * 3)
    assert evaluated(optimizer, weight) == pytest.approx(sum(path[4:]) / 5, rel=1e-5)


def test_without_evaluations_it_is_refused(tiny):
    with pytest.raises(seqlab.ExperimentError, match=r"optimizer 'asgd' waits for.*`evaluation`"):
        seqlab.run({**tiny, "optimizer": "asgd"})


def test_others_around_it_tell_it_the_losses(tiny):
    for around in ({"name": "groups", "base": "asgd"}, {"name": "sam", "base": "asgd"}):
        with pytest.raises(seqlab.ExperimentError, match="waits for the loss of evaluations"):
            seqlab.run({**tiny, "optimizer": around})


@pytest.fixture
def averaging(tiny):
    """With windows of random lengths and weights that drop out, as its paper trains."""
    return {
        **tiny,
        "corpus": {**tiny["corpus"], "holdout": 0.2},
        "sampler": {"name": "random_lengths", "batch_size": 4, "window": 8, "least": 3},
        "cell": {"name": "weight_drop", "inner": {"name": "lstm", "hidden_size": 8}},
        "model": {"embedding": 8, "dropout": {"outputs": 0.3, "locked": True}},
        "optimizer": {"name": "asgd", "lr": 60.0, "clip_norm": 0.25, "patience": 1},
        "evaluation": {"every": 2},
        "train": {"steps": 24, "checkpoint": {"every": 4, "keep": 99}},
        "observers": [],
    }


def test_it_goes_on_to_the_bit_before_and_inside_of_its_averaging(averaging, facts, tmp_path):
    run = seqlab.run(averaging, run_dir=tmp_path / "run")
    saved = run.checkpoint.state["training"]["optimizer"]["param_groups"][0]
    assert saved["averages"]
    assert saved["averaged"] < 20
    for number in (4, 20):
        copy = shutil.copytree(run.path, tmp_path / f"copy{number}")
        assert facts(seqlab.resume(copy, checkpoint=number)) == facts(run)


KILLS = """
    import os, signal
    import seqlab

    class Kills:
        "Kills the process in step 22, behind the last checkpoint."
        step_interval = 1

        def seqlab_step_ended(self, record):
            if record.step == 22:
                os.kill(os.getpid(), signal.SIGKILL)

    @seqlab.hookimpl
    def seqlab_register_observers():
        return {"kills": Kills}
"""


def test_a_process_that_is_killed_inside_of_its_averaging_loses_nothing(averaging, facts):
    averaging["train"] |= {"threads": 1}
    whole = seqlab.run(averaging, run_dir="whole")
    Path("plugins").mkdir()
    Path("plugins/kills.py").write_text(dedent(KILLS))
    Path("it.yaml").write_text(dump_yaml(averaging | {"observers": ["kills"]}))
    command = [sys.executable, "-m", "seqlab", "run", "it.yaml", "--run-dir", "killed"]
    killed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = seqlab.open_run("killed").checkpoint
    assert left.step == 20
    assert left.state["training"]["optimizer"]["param_groups"][0]["averages"]
    assert facts(seqlab.resume("killed", overrides=["observers=[]"])) == facts(whole)


def factors(make, steps, **options):
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(sgd, steps, lambda at: at // 4, **options)
    found = []
    for _ in range(steps):
        found.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    return found


def test_step_falls_by_epochs_or_by_steps():
    assert factors(step, 10) == [1.0] * 4 + [0.5] * 4 + [0.25] * 2
    by_steps = factors(step, 8, every=3, unit="steps", factor=0.1)
    assert by_steps == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_step_is_the_schedule_of_zaremba():
    """His medium model: six epochs, and then every epoch a rate that is 1.2 times lower."""
    found = factors(step, 40, factor=1 / 1.2, first=6)
    wanted = [(1 / 1.2) ** max(at // 4 + 1 - 6, 0) for at in range(40)]
    assert found == pytest.approx(wanted)


def test_exponential_falls_in_every_epoch_or_step():
    assert factors(exponential, 9, factor=0.5) == [1.0] * 4 + [0.5] * 4 + [0.25]
    assert factors(exponential, 3, factor=0.5, unit="steps") == [1.0, 0.5, 0.25]


def test_the_inverse_square_root_rises_and_falls_as_in_its_paper():
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule, found = inverse_square_root(sgd, 50, warmup=9), []
    for _ in range(50):
        found.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    wanted = [10**0.5 * min((n + 1) ** -0.5, (n + 1) * 10**-1.5) for n in range(50)]
    assert found == pytest.approx(wanted)


def test_a_schedule_counts_the_epochs_of_the_run(tiny):
    run = seqlab.run(
        {**tiny, "schedule": {"name": "step", "factor": 0.25, "first": 2}},
        overrides=["train.epochs=4"],
    )
    assert [row["lr"] for row in run.metrics] == [0.01, 0.01, 0.0025, 0.000625]


def test_in_a_chain_a_phase_counts_its_own_epochs(tiny):
    batches = 62  # of an epoch
    phases = [{"schedule": "constant", "steps": 2 * batches}, {"schedule": {"name": "step"}}]
    run = seqlab.run(
        {**tiny, "schedule": {"name": "chain", "phases": phases}},
        overrides=["train.epochs=4", "sampler.window=8"],
    )
    assert run.checkpoint.step == 4 * batches
    assert [row["lr"] for row in run.metrics] == [0.01, 0.01, 0.01, 0.005]


def test_plateau_divides_by_four_as_word_language_model_does(registry):
    losses = torch.rand(30, generator=torch.Generator().manual_seed(2)).tolist()
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=20.0)
    options = {"factor": 0.25, "patience": 0, "threshold": 0.0}
    schedule = registry.find("schedule", "plateau").factory(sgd, 99, **options)
    best, rate = None, 20.0
    for loss in losses:
        if best is None or loss < best:
            best = loss
        else:
            rate /= 4.0
        schedule.step(loss)
        assert sgd.param_groups[0]["lr"] == rate


def test_rates_that_wait_for_evaluations_are_the_same_on_two_processes(tiny):
    experiment = {
        **tiny,
        "corpus": {**tiny["corpus"], "holdout": 0.2},
        "optimizer": {"name": "asgd", "lr": 30.0, "patience": 1, "clip_norm": 0.5},
        "schedule": {"name": "plateau", "patience": 0, "factor": 0.25, "threshold": 0.0},
        "evaluation": {"every": 2},
        "train": {"steps": 12, "shards": 2, "threads": 1},
    }
    Path("it.yaml").write_text(dump_yaml(experiment))
    for number in ("1", "2"):
        command = [sys.executable, "-m", "seqlab", "run", "it.yaml", "--workers", number]
        subprocess.run([*command, "--run-dir", number], check=True, capture_output=True)
    rows = [[(r["lr"], r["loss"]) for r in seqlab.open_run(n).metrics] for n in ("1", "2")]
    assert rows[0] == rows[1]
    assert len({lr for lr, _ in rows[0]}) > 1
