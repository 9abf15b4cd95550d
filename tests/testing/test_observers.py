"""The promises of an observer: every planted mistake is caught, and what is right passes."""

from __future__ import annotations

import json
import logging
import os
import random
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from planted_late import checks_that_catch

from seqlab.testing import Broken, Subject, look_at, observers, verify
from seqlab.testing.collection import checks_in


class Best:
    """Writes the best loss so far into the run's folder, and remembers it.

    Args:
        step_interval: steps between two looks.
    """

    def __init__(self, *, step_interval: int = 3) -> None:
        self.step_interval = step_interval
        self.best = None
        self.file = None

    def state_dict(self):
        return {"best": self.best}

    def load_state_dict(self, state):
        self.best = state["best"]

    def seqlab_run_started(self, record):
        self.file = Path(record.folder, "best.json")

    def seqlab_step_ended(self, record):
        assert record.step % self.step_interval == 0
        if self.best is None or record.loss < self.best:
            self.best = record.loss

    def seqlab_checkpoint_saved(self, record):
        self.file.write_text(json.dumps({"step": record.step, "best": self.best}), "utf-8")


class Prints:
    """Says what it is told, and keeps nothing."""

    def seqlab_text_generated(self, record):
        print(record.text)  # noqa: T201 # an observer may

    def seqlab_run_ended(self, record):
        logging.getLogger("prints").warning("the run is %s", record.status)


class HasNoEvent:
    def epoch_ended(self, record):
        pass


class MisspeltEvent(Best):
    def seqlab_epoch_end(self, record):
        pass


class EventIsNoMethod(Best):
    seqlab_epoch_ended = True


class LooksEveryZeroSteps(Best):
    def __init__(self):
        super().__init__(step_interval=0)


class LooksEveryTenthStepAsText(Best):
    def __init__(self):
        super().__init__()
        self.step_interval = "10"


class LooksEveryHalfStep(Best):
    def __init__(self):
        super().__init__()
        self.step_interval = 0.5


class FormatsNone(Best):
    def seqlab_epoch_ended(self, record):
        print(f"perplexity {record.perplexity:.2f}")  # noqa: T201


class RoundsWhatIsNoNumber(Best):
    def seqlab_step_ended(self, record):
        print("#" * round(record.gradient_norm))  # noqa: T201


class DividesByTime(Best):
    def seqlab_epoch_ended(self, record):
        self.speed = record.tokens / record.seconds


class TakesTheFirstWord(Best):
    def seqlab_text_generated(self, record):
        self.word = record.text.split()[0]


class FormatsWithTheText(Best):
    """The text is a format to `%`."""

    def seqlab_text_generated(self, record):
        self.line = f"%d: {record.text}" % record.step


class WritesAscii(Best):
    def seqlab_text_generated(self, record):
        with Path(self.file.parent, "samples.txt").open("a", encoding="ascii") as file:
            file.write(record.text)


class NamesAFileAsTheText(Best):
    def seqlab_text_generated(self, record):
        Path(self.file.parent, f"{record.text}.txt").touch()


class KnowsTwoStatuses(Best):
    def seqlab_run_ended(self, record):
        self.mark = {"finished": "v", "failed": "x"}[record.status]


class LeavesTheProcess(Best):
    """As one that stops a run which does not get better."""

    def seqlab_epoch_ended(self, record):
        if record.loss > 1000:
            raise SystemExit("diverged")


class ClosesWhatAnEpochOpened(Best):
    def seqlab_epoch_ended(self, record):
        self.log = Path(self.file.parent, "log.txt").open("a", encoding="utf-8")  # noqa: SIM115

    def seqlab_run_ended(self, record):
        self.log.close()


class ClosesWhatTheStartOpened(Best):
    """A run that fails before it has started is only told to have ended."""

    def seqlab_run_ended(self, record):
        self.file.touch()


class AveragesNoEpochs(Best):
    def __init__(self):
        super().__init__()
        self.losses = []

    def seqlab_epoch_ended(self, record):
        self.losses.append(record.loss)

    def seqlab_run_ended(self, record):
        self.mean = sum(self.losses) / len(self.losses)


class ShareOfNoSteps(Best):
    """A run may be asked for no step at all."""

    def seqlab_run_started(self, record):
        super().seqlab_run_started(record)
        self.done = record.step / record.total_steps


class MakesItsFolderOnce(Best):
    def seqlab_run_started(self, record):
        super().seqlab_run_started(record)
        Path(record.folder, "plots").mkdir()


class ExpectsToBeginAtTheBeginning(Best):
    def seqlab_run_started(self, record):
        super().seqlab_run_started(record)
        assert record.step == 0


class ReadsWhatItNeverWrote(Best):
    """Where a run goes on it looks for its file, which is not there if it has just joined."""

    def seqlab_run_started(self, record):
        super().seqlab_run_started(record)
        if record.step:
            self.best = json.loads(self.file.read_text("utf-8"))["best"]


class CannotLoad:
    def __init__(self):
        self.count = 0

    def state_dict(self):
        return {"count": self.count}

    def seqlab_step_ended(self, record):
        self.count += 1


class KeepsADeque(Best):
    def state_dict(self):
        return {"recent": deque([1.0, 2.0])}


class KeepsAPath(Best):
    def state_dict(self):
        return {"best": self.best, "file": self.file}


class KeepsANumberOfNumpys(Best):
    def state_dict(self):
        return {"best": None if self.best is None else np.float32(self.best)}


class HasNoStateBeforeTheStart(Best):
    def state_dict(self):
        return {"best": self.best, "size": len(str(self.file.parent))}


class LoadsNothing(Best):
    def load_state_dict(self, state):
        pass


class ForgetsWhenTheRunStarts(Best):
    def seqlab_run_started(self, record):
        super().seqlab_run_started(record)
        self.best = None


class SeedsItsSample(Best):
    """To show the same examples in every run."""

    def seqlab_text_generated(self, record):
        random.seed(0)
        self.shown = random.sample(range(10), 3)


class ShufflesByNumpy(Best):
    def seqlab_epoch_ended(self, record):
        np.random.shuffle([1, 2, 3])


class WritesIntoTheWorkingFolder(Best):
    def seqlab_run_started(self, record):
        self.file = Path("best.json")


class WritesBesideTheRun(Best):
    def seqlab_run_started(self, record):
        self.file = Path(record.folder).with_suffix(".json")


class GoesIntoTheFolder(Best):
    def seqlab_run_started(self, record):
        super().seqlab_run_started(record)
        self.file = self.file.absolute()
        os.chdir(record.folder)


class FillsInTheRecord(Best):
    """Freezes are for assignment; `vars` is the record itself."""

    def seqlab_epoch_ended(self, record):
        row = vars(record)
        row["perplexity"] = row["perplexity"] or float("inf")


class CutsTheText(Best):
    def seqlab_text_generated(self, record):
        object.__setattr__(record, "text", record.text[:10])


CHECKS = checks_in(observers)
DEFECTS = [
    (HasNoEvent, observers.observer_has_an_event, "a method for one of these events"),
    (MisspeltEvent, observers.observer_has_an_event, "only names .*; seen: seqlab_epoch_end;"),
    (EventIsNoMethod, observers.observer_has_an_event, "not to be called: seqlab_epoch_ended"),
    (LooksEveryZeroSteps, observers.step_interval_counts_steps, "at least 1; seen: 0"),
    (LooksEveryTenthStepAsText, observers.step_interval_counts_steps, "at least 1; seen: '10'"),
    (LooksEveryHalfStep, observers.step_interval_counts_steps, "at least 1; seen: 0.5"),
    (FormatsNone, observers.every_record_is_survived, "perplexity=None.* NoneType"),
    (RoundsWhatIsNoNumber, observers.every_record_is_survived, "gradient_norm=nan.* ValueError"),
    (DividesByTime, observers.every_record_is_survived, "ZeroDivisionError"),
    (TakesTheFirstWord, observers.every_record_is_survived, "IndexError"),
    (FormatsWithTheText, observers.every_record_is_survived, "%s.* TypeError"),
    (WritesAscii, observers.every_record_is_survived, "UnicodeEncodeError"),
    (NamesAFileAsTheText, observers.every_record_is_survived, "null byte|too long|No such file"),
    (KnowsTwoStatuses, observers.every_record_is_survived, "KeyError: 'interrupted'"),
    (LeavesTheProcess, observers.every_record_is_survived, "SystemExit: diverged"),
    (ClosesWhatAnEpochOpened, observers.run_may_end_at_any_time, "no attribute 'log'"),
    (ClosesWhatTheStartOpened, observers.run_may_end_at_any_time, "no attribute 'touch'"),
    (AveragesNoEpochs, observers.run_may_end_at_any_time, "ZeroDivisionError"),
    (ShareOfNoSteps, observers.run_may_end_at_any_time, "total_steps=0.* ZeroDivisionError"),
    (MakesItsFolderOnce, observers.resumed_run_is_survived, "FileExistsError"),
    (ExpectsToBeginAtTheBeginning, observers.resumed_run_is_survived, "AssertionError"),
    (ReadsWhatItNeverWrote, observers.resumed_run_is_survived, "FileNotFoundError"),
    (CannotLoad, observers.saved_observer_goes_on, "no attribute 'load_state_dict'"),
    (KeepsADeque, observers.saved_observer_goes_on, "not <class 'collections.deque'>"),
    (KeepsAPath, observers.saved_observer_goes_on, "JSON values and tensors"),
    (KeepsANumberOfNumpys, observers.saved_observer_goes_on, "not <class 'numpy.float32'>"),
    (HasNoStateBeforeTheStart, observers.saved_observer_goes_on, "no attribute 'parent'"),
    (LoadsNothing, observers.saved_observer_goes_on, "the state that was loaded"),
    (ForgetsWhenTheRunStarts, observers.saved_observer_goes_on, "the state that was loaded"),
    (SeedsItsSample, observers.observing_draws_nothing, "Python's random state"),
    (ShufflesByNumpy, observers.observing_draws_nothing, "numpy's random state"),
    (WritesIntoTheWorkingFolder, observers.files_appear_only_in_the_run_folder, "best.json"),
    (WritesBesideTheRun, observers.files_appear_only_in_the_run_folder, "check.json"),
    (GoesIntoTheFolder, observers.files_appear_only_in_the_run_folder, "to stay the same"),
    (FillsInTheRecord, observers.records_are_left_as_they_are, "perplexity=inf"),
    (CutsTheText, observers.records_are_left_as_they_are, "the record of seqlab_text_generated"),
]


@pytest.mark.parametrize(("observer", "check", "message"), DEFECTS)
def test_a_planted_mistake_is_caught_by_its_check(observer, check, message):
    with pytest.raises(Broken, match=message):
        verify(check, Subject.of("observer", observer, {}))


def test_every_check_catches_something():
    caught = {check.__name__ for _, check, _ in DEFECTS} | checks_that_catch("observer")
    assert caught == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize("check", CHECKS)
def test_an_observer_as_one_would_write_it_keeps_every_promise(check):
    verify(check, Subject.of("observer", Best, {}))


def test_an_observer_without_state_has_nothing_to_show_of_it(capfd):
    subject = Subject.of("observer", Prints, {})
    results = {check.__name__: look_at(check, subject) for check in CHECKS}
    skipped = {name for name, result in results.items() if result.verdict == "skipped"}
    assert skipped == {"step_interval_counts_steps", "saved_observer_goes_on"}
    assert not [result for result in results.values() if result.verdict == "broken"]
    assert capfd.readouterr().out == ""


def test_the_working_folder_and_what_is_printed_are_as_they_were_after_a_check(capsys):
    before = Path.cwd()
    with pytest.raises(Broken):
        verify(
            observers.files_appear_only_in_the_run_folder,
            Subject.of("observer", GoesIntoTheFolder, {}),
        )
    assert Path.cwd() == before
    assert list(before.iterdir()) == []
