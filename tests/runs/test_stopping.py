"""When a run ends early, and why."""

from __future__ import annotations

import math

import pytest

import seqlab
from seqlab.errors import ExperimentError
from seqlab.experiment.sections import Stop
from seqlab.records import Measured
from seqlab.runs.doubts import worse_than_guessing
from seqlab.runs.stopping import Best, Stopping


def row(loss, step=1, split="valid", accuracy=None) -> Measured:
    return Measured(
        step=step,
        epoch=1,
        split=split,
        loss=loss,
        perplexity=2.0**loss,
        bits_per_character=loss,
        bits_per_byte=loss,
        accuracy=accuracy,
        tokens=1.0,
        lr=1.0,
        gradient_norm=None,
        seconds=1.0,
        tokens_per_second=1.0,
    )


def rows_until_the_end(values, **settings) -> int | None:
    """After how many rows a run ends; None: it never does."""
    stopping = Stopping(Stop(**settings))
    accuracy = settings.get("metric") == "accuracy"
    for count, value in enumerate(values, start=1):
        stopping.update(row(1.0, accuracy=value) if accuracy else row(value))
        if stopping.reason:
            return count
    return None


@pytest.mark.parametrize(
    ("losses", "patience", "end"),
    [
        ([3, 2, 1, 1, 1], 2, 5),
        ([3, 4, 2, 4, 1], 2, None),
        ([3, 3], 1, 2),
        ([3, 2, 2.5, 2.4, 2.3], 3, 5),
    ],
)
def test_patience_counts_rows_that_are_no_better_than_the_best(losses, patience, end):
    assert rows_until_the_end(losses, patience=patience) == end


def test_better_by_less_than_min_delta_is_no_better():
    assert rows_until_the_end([3, 2.9, 2.8, 2.7], patience=2, min_delta=0.5) == 3
    assert rows_until_the_end([3, 2.9, 2.4, 1.8], patience=2, min_delta=0.5) is None


def test_a_target_is_reached_from_above():
    assert rows_until_the_end([3, 2, 1], target=2.0) == 2


def test_of_accuracy_more_is_better():
    assert rows_until_the_end([0.1, 0.5, 0.9], metric="accuracy", target=0.9) == 3
    assert rows_until_the_end([0.9, 0.5, 0.6], metric="accuracy", patience=2) == 3


def test_rows_of_other_splits_are_not_looked_at():
    stopping = Stopping(Stop(patience=1))
    for _ in range(5):
        stopping.update(row(1.0, split="train"))
    assert stopping.reason == ""


def test_counting_goes_on_where_it_was():
    first, second = Stopping(Stop(patience=2)), Stopping(Stop(patience=2))
    for loss in (1, 2):
        first.update(row(loss))
    second.load_state_dict(first.state_dict())
    second.update(row(2))
    assert second.reason == "valid loss has not been better for 2 rows"


def test_the_best_is_the_first_of_the_lowest_losses():
    best = Best()
    improved = [best.improved_by(row(loss, step)) for step, loss in enumerate([3, 1, 2, 1])]
    assert (improved, best.step, best.loss) == ([True, True, False, False], 1, 1)


@pytest.fixture
def ended(full, registry):
    """Run with a rule for ending early."""

    def ended(**stop):
        train = full["train"] | {"stop": stop, "steps": 99}
        return seqlab.run(full | {"train": train}, registry=registry)

    return ended


def test_a_run_ends_with_its_last_row_of_patience_and_says_so(ended):
    run = ended(patience=2, min_delta=9.0)
    assert run.description["ended_because"] == "valid loss has not been better for 2 rows"
    assert (run.description["status"], run.description["step"]) == ("finished", 9)


def test_a_run_ends_at_its_target(ended):
    run = ended(metric="perplexity", target=27.0)
    perplexities = [row["perplexity"] for row in run.metrics if row["split"] == "valid"]
    assert [value <= 27 for value in perplexities] == [False] * (len(perplexities) - 1) + [True]
    assert run.description["ended_because"].endswith("the target was 27")


def test_training_itself_may_be_watched(ended):
    run = ended(split="train", patience=1, min_delta=9.0)
    assert run.description["step"] == 14


def test_a_run_that_ends_early_is_saved_where_it_ended(ended):
    run = ended(patience=2, min_delta=9.0)
    assert run.checkpoint.step == run.description["step"]


def test_patience_or_target_is_needed(ended):
    with pytest.raises(ExperimentError, match="needs patience or target"):
        ended(split="valid")


def test_watching_a_split_that_is_never_scored_is_refused(full, registry):
    del full["evaluation"]
    with pytest.raises(ExperimentError, match=r"train\.stop.*evaluation"):
        seqlab.run(full, registry=registry)


def test_watching_accuracy_where_none_is_measured_is_refused(ended):
    with pytest.raises(seqlab.SeqlabError, match="accuracy"):
        ended(metric="accuracy", patience=1)


def test_a_finished_run_whose_loss_is_far_above_that_of_guessing_says_so(tiny, registry, caplog):
    run = seqlab.run(tiny | {"optimizer": {"name": "sgd", "lr": 1e4}}, registry=registry)
    assert run.description["status"] == "finished"
    assert run.description["doubt"] == caplog.messages[-1]
    assert ", and that of guessing is 3.367: " in caplog.messages[-1]


def test_a_run_that_learns_nothing_is_doubted_and_one_that_learns_is_not(tiny, registry):
    lazy = seqlab.run(tiny | {"optimizer": {"name": "sgd", "lr": 1e-9}}, registry=registry)
    assert "or hardly begun" in lazy.description["doubt"]
    assert seqlab.run(tiny, registry=registry).description["doubt"] is None


GUESSING = math.log(10)
NONE, BETTER, WORSE = {"loss": None}, {"loss": GUESSING - 0.01}, {"loss": GUESSING + 0.01}


@pytest.mark.parametrize(
    ("rows", "evaluated", "doubt"),
    [
        ({"train": BETTER}, None, ""),
        ({"train": WORSE}, None, "The loss of the last epoch is 2.313, "),
        ({"train": WORSE, "valid": BETTER}, "valid", ""),
        ({"train": BETTER, "valid": WORSE}, None, ""),
        ({"train": BETTER, "valid": WORSE}, "valid", "The loss on split 'valid' is 2.313, "),
        ({"train": BETTER, "valid": WORSE}, "valid", "knows the training split only"),
        ({"train": WORSE, "valid": WORSE}, "valid", "diverged, or hardly begun"),
        ({"train": NONE}, None, ""),
        ({}, "valid", ""),
    ],
)
def test_a_run_is_doubted_by_the_evaluated_split_or_else_by_its_training(rows, evaluated, doubt):
    said = worse_than_guessing(rows, evaluated, 10)
    assert doubt in said
    assert bool(doubt) == bool(said)


def test_a_run_that_was_killed_before_it_said_its_doubt_says_it_when_resumed(tiny, registry):
    run = seqlab.run(tiny | {"optimizer": {"name": "sgd", "lr": 1e-9}}, registry=registry)
    doubt = run.description["doubt"]
    run.folder.describe(run.description | {"status": "running", "doubt": None})
    assert seqlab.resume(run.path, registry=registry).description["doubt"] == doubt


FAR = """
    import seqlab

    class Far:
        '''A loss of 99, whatever the model says.'''

        predicts_next = False

        def loss(self, hidden, head, window):
            return seqlab.Terms(0 * head(hidden).sum() + 99, None)

    @seqlab.hookimpl
    def seqlab_register_objectives():
        return {"far": Far}
"""


def test_a_loss_that_is_no_guess_of_the_next_token_is_not_doubted(tiny, registry, drop):
    sections = {"optimizer": {"name": "sgd", "lr": 1e-9}, "objective": "far"}
    drop(FAR)
    run = seqlab.run(tiny | sections)
    assert run.metrics[-1]["loss"] > 50
    assert run.description["doubt"] is None
