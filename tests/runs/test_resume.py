"""2 N steps are N steps, a pause, and N steps: to the bit."""

from __future__ import annotations

import json
import os
import shutil
from itertools import product
from pathlib import Path

import pytest
import torch

import seqlab
from seqlab.errors import CheckpointError, CorpusError, Interrupted, UsageError
from seqlab.runs.resuming import CHANGEABLE
from seqlab.training.checkpoint import steps_saved

BUILT_IN = seqlab.load_plugins(local=False)
CELLS, SAMPLERS, OPTIMIZERS = (
    [component.name for component in BUILT_IN.components(kind)]
    for kind in ("cell", "sampler", "optimizer")
)
SCHEDULES = ("one_cycle", "cosine", {"name": "plateau", "patience": 0, "threshold": 0.1})
GRU = {"name": "gru", "hidden_size": 8}
COMPOSED = {
    "stack": {"layers": [GRU, "mlp"]},
    "residual": {"inner": {"name": "mlp", "dropout": 0.1}},
    "parallel": {"branches": [GRU, "min_gru"]},
    "lora": {"inner": GRU, "rank": 2},
    "weight_drop": {"inner": GRU},
    "zoneout": {"inner": GRU, "share": 0.3},
    "mlp": {},
    "short_convolution": {},
}
AVERAGING = {"asgd", "schedule_free_adamw"}  # by itself
CELLS = [cell for cell in CELLS if cell != "bidirectional"]  # not for the next token
OPTIONS = {"sgd": {"momentum": 0.9, "lr": 0.1}, "rmsprop": {"momentum": 0.5}}


@pytest.fixture
def whole(full, full_once, registry):
    """Run the full experiment, with other sections, without a pause."""

    def whole(**sections):
        if not sections:
            return seqlab.open_run(shutil.copytree(full_once, "whole"), registry=registry)
        return seqlab.run(full | sections, run_dir="whole", registry=registry)

    return whole


@pytest.fixture
def paused(registry):
    """Copy a run and go on with the copy from one of its checkpoints."""

    def paused(run, step=10, **options):
        copy = shutil.copytree(run.path, "copy")
        return seqlab.resume(copy, checkpoint=step, registry=registry, **options)

    return paused


def combinations():
    """All of them; every sampler meets every cell and every optimizer without those marked slow."""
    for (i, cell), (j, sampler), (k, optimizer) in product(
        *map(enumerate, (CELLS, SAMPLERS, OPTIMIZERS))
    ):
        chosen = (i + 3 * j - k) % max(len(CELLS), len(OPTIMIZERS)) == 0
        yield pytest.param(cell, sampler, optimizer, marks=[] if chosen else [pytest.mark.slow])


def every_second():
    """Cells and optimizers in turns; the others are marked slow."""
    for number, (cell, optimizer) in enumerate(product(CELLS, ["adam", "muon"])):
        marks = [pytest.mark.slow] if sum(divmod(number, 2)) % 2 else []
        yield pytest.param(cell, optimizer, marks=marks)


@pytest.mark.parametrize(("cell", "sampler", "optimizer"), list(combinations()))
def test_a_pause_changes_no_bit(cell, sampler, optimizer, full, whole, paused, facts):
    run = whole(
        cell={"name": cell} | COMPOSED.get(cell, {"hidden_size": 8}),
        sampler=full["sampler"] | {"name": sampler},
        optimizer={"name": optimizer, "clip_norm": 1.0} | OPTIONS.get(optimizer, {}),
        schedule=SCHEDULES[OPTIMIZERS.index(optimizer) % 3],
        train=full["train"] | ({"average": None} if optimizer in AVERAGING else {}),
    )
    assert facts(paused(run)) == facts(run)


@pytest.mark.parametrize(("cell", "optimizer"), list(every_second()))
def test_a_pause_changes_no_bit_in_bfloat16(cell, optimizer, full, whole, paused, facts):
    run = whole(
        cell={"name": cell} | COMPOSED.get(cell, {"hidden_size": 8}),
        optimizer=optimizer,
        train=full["train"] | {"precision": "bfloat16"},
    )
    assert run.description["precision"] == "bfloat16"
    assert facts(paused(run)) == facts(run)


def test_the_advice_for_a_model_that_cannot_be_recorded_can_be_followed(whole, full, paused, facts):
    run = whole(train=full["train"] | {"cuda_graphs": True})
    resumed = facts(paused(run, overrides=["train.cuda_graphs=false"]))
    assert resumed["weights"] == facts(run)["weights"]


def test_a_pause_may_come_anywhere(full, whole, paused, facts):
    run = whole(train=full["train"] | {"checkpoint": {"every": 1, "keep": 99}})
    for step in (5, 7, 14, 18):
        assert facts(paused(run, step)) == facts(run)
        shutil.rmtree("copy")


def test_a_kill_changes_no_early_end(full, whole, killed, registry, facts):
    train = full["train"] | {"steps": 99, "stop": {"patience": 4, "min_delta": 0.5}}
    run = whole(train=train)
    assert 10 < run.description["step"] < 99
    assert facts(seqlab.resume(killed(run, at=10), registry=registry)) == facts(run)


def test_rows_after_the_point_of_resume_are_rewritten_and_not_doubled(
    whole, killed, registry, facts
):
    run = whole()
    copy = killed(run, at=10)
    assert facts(seqlab.resume(copy, registry=registry)) == facts(run)


def test_a_half_written_row_is_cut_off(whole, killed, registry, facts):
    run = whole()
    copy = killed(run, at=10)
    with (copy / "metrics.jsonl").open("ab") as rows:
        rows.write(b'{"step": 2')
    assert facts(seqlab.resume(copy, registry=registry)) == facts(run)


def test_a_run_killed_before_its_first_checkpoint_starts_over(whole, killed, registry, facts):
    run = whole()
    assert facts(seqlab.resume(killed(run, at=0), registry=registry)) == facts(run)


def test_later_checkpoints_of_a_course_that_was_left_are_never_gone_on_from(
    full, whole, drop, facts
):
    run = whole()
    drop(STOPS_AT)
    copy = Path(shutil.copytree(run.path, "copy"))
    with pytest.raises(Interrupted):
        seqlab.resume(copy, checkpoint=10, overrides=["observers=[{name: stops, step: 12}]"])
    assert steps_saved(copy / "checkpoints")[-1] == 12
    assert facts(seqlab.resume(copy)) == facts(run)


STOPS_AT = """
    import os, signal
    from seqlab import hookimpl

    class Stops:
        def __init__(self, *, step: int):
            self._step = step

        def seqlab_step_ended(self, record):
            if record.step == self._step:
                os.kill(os.getpid(), signal.SIGINT)

    @hookimpl
    def seqlab_register_observers():
        return {"stops": Stops}
"""


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_extended_run_equals_one_that_was_that_long(sampler, full, registry, facts):
    sections = full | {"sampler": full["sampler"] | {"name": sampler}}
    train = {key: value for key, value in full["train"].items() if key != "steps"}
    short = seqlab.run(sections | {"train": train | {"epochs": 1}}, registry=registry)
    long = seqlab.run(sections | {"train": train | {"epochs": 2}}, registry=registry)
    longer = seqlab.resume(short.path, overrides=["train.epochs=2"], registry=registry)
    assert facts(longer) == facts(long)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "one_cycle", "constant"])
def test_an_extended_run_has_the_rates_of_one_that_was_that_long(schedule, full, registry, caplog):
    sections = full | {"schedule": schedule}
    short = seqlab.run(sections, registry=registry)
    long = seqlab.run(sections, overrides=["train.steps=40"], registry=registry)
    longer = seqlab.resume(short.path, overrides=["train.steps=40"], registry=registry)
    rates = [
        [(r["step"], r["lr"]) for r in run.metrics if r["step"] > 20] for run in (longer, long)
    ]
    assert rates[0] == rates[1]
    assert (
        f"now has 40 steps instead of 20: schedule '{schedule}' is computed for all" in caplog.text
    )


STEPWISE = """
    from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR
    from seqlab import hookimpl

    def annealing(optimizer, total_steps):
        return CosineAnnealingLR(optimizer, total_steps)

    def rising(optimizer, total_steps):
        return LinearLR(optimizer, 0.1, total_iters=total_steps)

    @hookimpl
    def seqlab_register_schedules():
        return {"annealing": annealing, "rising": rising}
"""


@pytest.mark.parametrize("schedule", ["annealing", "rising"])
def test_a_schedule_that_steps_from_rate_to_rate_is_laid_over_an_extended_run(schedule, full, drop):
    drop(STEPWISE)
    sections = full | {"schedule": schedule}
    short = seqlab.run(sections)
    long = seqlab.run(sections, overrides=["train.steps=40"])
    longer = seqlab.resume(short.path, overrides=["train.steps=40"])
    rates = [[r["lr"] for r in run.metrics if r["step"] > 20] for run in (longer, long)]
    assert rates[0] == pytest.approx(rates[1], rel=1e-12)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    whole, killed, damage, registry, facts, caplog
):
    run = whole()
    copy = killed(run, at=15)
    damage(copy, 15)
    assert facts(seqlab.resume(copy, registry=registry)) == facts(run)
    assert "step-00000015/model.safetensors: is damaged" in caplog.text
    assert "the one before it is used" in caplog.text


def test_a_run_whose_checkpoints_are_all_damaged_is_refused(whole, killed, damage, registry):
    copy = killed(whole(), at=5)
    for step in steps_saved(copy / "checkpoints"):
        damage(copy, step)
    before = (copy / "metrics.jsonl").read_bytes()
    with pytest.raises(CheckpointError, match=r"step-00000005/model\.safetensors: is damaged"):
        seqlab.resume(copy, registry=registry)
    assert (copy / "metrics.jsonl").read_bytes() == before


def test_a_checkpoint_that_is_asked_for_and_damaged_is_refused(whole, paused, damage):
    run = whole()
    damage(run.path, 10)
    with pytest.raises(CheckpointError, match=r"step-00000010/model\.safetensors: is damaged"):
        paused(run, 10)


def test_a_checkpoint_that_is_not_there_is_refused(whole, paused):
    with pytest.raises(CheckpointError, match="no checkpoint of step 11; there are: 3, 5, 6, "):
        paused(whole(), 11)


def test_another_text_is_refused_and_the_run_is_left_alone(full, paused, text_file):
    run = seqlab.run(full, run_dir="whole")
    text_file.write_text(text_file.read_text().replace("fox", "dog", 1))
    with pytest.raises(CorpusError, match="is another text than the run was begun with"):
        paused(run)
    assert Path("copy/metrics.jsonl").read_bytes() == Path("whole/metrics.jsonl").read_bytes()
    assert Path("copy/run.json").read_bytes() == Path("whole/run.json").read_bytes()


def test_a_text_that_was_moved_is_the_same(full, paused, text_file, facts):
    run = seqlab.run(full, run_dir="whole")
    text_file.rename("moved.txt")
    with pytest.raises(CorpusError, match=r"resolved\.yaml:\d+:\d+: corpus\.path: .*no such file"):
        paused(run)
    moved = seqlab.resume("copy", checkpoint=10, overrides=["corpus.path=moved.txt"])
    assert facts(moved) == facts(run)
    assert seqlab.open_run("copy").evaluate("valid")["loss"] > 0


@pytest.mark.parametrize("key", ["path", "test"])
def test_another_text_under_another_name_is_another_text(key, whole, paused):
    Path("other.txt").write_text("ANOTHER TEXT, OF OTHER CHARACTERS. " * 60, "utf-8")
    with pytest.raises(CorpusError, match="is another text than the run was begun with"):
        paused(whole(), overrides=[f"corpus.{key}=other.txt"])


def test_another_number_of_threads_is_told(whole, paused, caplog):
    run = whole()
    torch.set_num_threads(2)
    paused(run)
    assert "threads was 1 and is now 2" in caplog.text
    assert "its numbers may differ in the last bits" in caplog.text


@pytest.mark.parametrize(("before", "version"), [("0.1", "0.1"), (None, "none")])
def test_a_library_that_is_another_one_or_was_not_there_is_told(before, version, whole, paused):
    pytest.importorskip("numba")
    run = whole()
    known = json.loads(Path("whole/run.json").read_text())
    known["versions"]["numba"] = before
    Path("whole/run.json").write_text(json.dumps(known))
    paused(run)
    told = Path("copy/log.txt").read_text()
    assert f"numba was {version} and is now" in told
    assert "its numbers may differ in the last bits" in told


def test_nothing_is_told_where_nothing_changed(whole, paused, caplog):
    paused(whole())
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_plugin_whose_source_changed_is_told(full, drop, caplog):
    drop(STOPS_AT)
    seqlab.run(full | {"observers": [{"name": "stops", "step": 99}]}, run_dir="whole")
    drop(STOPS_AT + "\n    # changed\n")
    seqlab.resume("whole", checkpoint=10)
    assert "plugin dropped was file " in caplog.text
    assert (
        "plugin 'dropped'. So the numbers that follow may be those of another model" in caplog.text
    )
    assert "in the last bits" not in caplog.text


def test_an_observer_that_is_left_out_of_the_rest_is_no_warning(full, drop, caplog):
    drop(STOPS_AT)
    seqlab.run(full | {"observers": [{"name": "stops", "step": 99}]}, run_dir="whole")
    caplog.clear()
    seqlab.resume("whole", checkpoint=10, overrides=["observers=[]"])
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


@pytest.mark.parametrize(
    "override",
    [
        *(
            "cell=lstm",
            "train.seed=1",
            "optimizer.lr=1",
            "train.accumulate=3",
            "corpus.holdout=0.5",
        ),
        *("train.precision=bfloat16", "train={epochs: 9}", "train.stopping=1", "sampler.window=9"),
    ],
)
def test_what_makes_a_run_what_it_is_cannot_be_changed(override, whole, paused):
    with pytest.raises(UsageError, match="keeps its settings") as caught:
        paused(whole(), overrides=[override])
    assert all(key in str(caught.value) for key in CHANGEABLE)


@pytest.mark.parametrize(
    "override",
    [
        *("train.steps=21", "train.max_minutes=9", "train.checkpoint.every=4", "train.stop=null"),
        *("train.stop.patience=3", "train.on_nonfinite=skip", "evaluation.every=4"),
        *("samples.length=3", "observers=[csv]"),
    ],
)
def test_how_long_a_run_goes_on_and_what_it_reports_can_be_changed(override, whole, paused):
    resumed = paused(whole(), 18, overrides=[override])
    assert resumed.description["overrides"] == [override]


def test_a_finished_run_is_not_resumed_and_says_how_to_go_on(whole, registry):
    run = whole()
    with pytest.raises(UsageError, match=r"has all of its 20 steps; .*overrides=\[\"train\.steps="):
        seqlab.resume(run.path, registry=registry)


def test_a_run_is_not_resumed_to_fewer_steps_than_it_has_however_it_ended(whole, killed, registry):
    copy = killed(whole(), at=10)
    with pytest.raises(UsageError, match=r"has 10 steps, which is more than all of its 8 steps"):
        seqlab.resume(copy, overrides=["train.steps=8"], registry=registry)


def test_a_run_killed_after_its_last_step_is_ended(whole, killed, registry, facts):
    run = whole()
    assert facts(seqlab.resume(killed(run, at=20), registry=registry)) == facts(run)


@pytest.mark.parametrize("key", ["steps", "epochs"])
def test_the_advice_for_a_finished_run_can_be_followed(key, full, whole, registry):
    train = {name: value for name, value in full["train"].items() if name != "steps"}
    run = whole(train=train | {key: 3})
    with pytest.raises(UsageError, match=rf'overrides=\["train.{key}='):
        seqlab.resume(run.path, registry=registry)
    assert seqlab.resume(run.path, overrides=[f"train.{key}=5"], registry=registry)


@pytest.mark.parametrize(
    ("early", "later"),
    [
        ({"stop": {"patience": 1, "min_delta": 9.0}}, "train.stop.patience=99"),
        ({"stop": {"patience": 1, "min_delta": 9.0}}, "train.stop=null"),
        ({"max_minutes": 1e-9}, "train.max_minutes=9"),
    ],
)
def test_a_run_that_ended_early_goes_on_once_it_may(early, later, full, whole, registry):
    run = whole(train=full["train"] | early)
    assert run.description["step"] < 20
    longer = seqlab.resume(run.path, overrides=[later], registry=registry)
    assert longer.description["step"] == 20


def test_a_resumed_run_remembers_where_it_was_resumed(whole, paused, registry):
    run = paused(whole(), 5)
    again = seqlab.resume(run.path, checkpoint=15, registry=registry)
    assert again.description["resumed"] == [5, 15]
    assert again.description["started"] == seqlab.open_run("whole").description["started"]


@pytest.mark.parametrize("change", [os.remove, lambda file: os.truncate(file, 9)])
def test_rows_that_a_checkpoint_remembers_and_that_are_gone_are_told(change, whole, paused):
    run = whole()
    change(run.path / "metrics.jsonl")
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl"):
        paused(run)


def test_a_run_may_be_given_steps_instead_of_epochs(full):
    seqlab.run(full, run_dir="short", overrides=["train.steps=null", "train.epochs=1"])
    longer = seqlab.resume("short", overrides=["train.steps=31"])
    assert longer.description["step"] == 31


def test_an_override_that_does_not_lift_the_reason_is_refused(full):
    stop = ["train.stop={split: train, metric: loss, target: 99}", "train.steps=40"]
    seqlab.run(full, run_dir="early", overrides=stop)
    with pytest.raises(UsageError, match=r"has ended: .*target was 99; to go on"):
        seqlab.resume("early", overrides=["train.steps=50"])
