"""The study of a sweep: which trials there are, and who has which.

It is derived from the folders of runs. What it has beyond them, such as points of trials that have
no folder yet, can be lost: such a trial is then run at another point.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from seqlab.errors import RunFailed, SeqlabError
from seqlab.sweeps.folder import SweepFolder
from seqlab.sweeps.hosts import Reach
from seqlab.sweeps.optuna import optuna
from seqlab.sweeps.optuna_trials import NAMES, frozen, grid_points, suggested
from seqlab.sweeps.records import TrialRecord, judge_of
from seqlab.sweeps.searching import distribution_of, pruner_of, sampler_of
from seqlab.sweeps.space import Label, Point
from seqlab.sweeps.storages import Lost, alone_with, close_storage, open_storage
from seqlab.sweeps.sweep import Sweep

if TYPE_CHECKING:
    import optuna as o

T = TypeVar("T")

ATTEMPTS = 5  # to open a storage again
PAUSE = 1.0  # seconds before the second; each next one waits twice as long
TAKEN = "taken"  # how far a trial was each time that somebody took it
OWNER = "owner"  # who has it


@dataclass(frozen=True)
class Taken:
    """A trial that this process has, while it holds its lock.

    Args:
        number: from 0.
        point: where it is.
        taken: how far it was each time that it was taken before.
    """

    number: int
    point: Point
    taken: tuple[str, ...] = ()


class Study:
    """Trials, over a storage that many processes share.

    Args:
        sweep: of which it is the study.
        folder: of the sweep.
        reach: how far locks reach: who left a trial that is taken again.
    """

    def __init__(self, sweep: Sweep, folder: SweepFolder, *, reach: Reach = "hosts") -> None:
        self._sweep, self._folder, self._reach = sweep, folder, reach
        self._mine: dict[int, Point] = {}
        self._opened: o.storages.BaseStorage | None = None
        self._open()

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to a database, if it has any."""
        if self._opened is not None:
            close_storage(self._opened)

    # -- opening

    def _open(self) -> None:
        """Open the study; make it, or what of it is missing, from the folders."""
        sweep = self._sweep
        self.close()
        with alone_with(sweep.settings, self._folder):
            self._storage = self._opened = open_storage(sweep.settings, self._folder)
            self._study: o.study.Study = optuna().create_study(
                storage=self._storage,
                study_name=f"{sweep.name}-{sweep.identity[:16]}",
                direction="minimize" if sweep.settings.minimizes else "maximize",
                sampler=sampler_of("random", sweep.settings.seed),
                pruner=pruner_of(sweep.settings.prune),
                load_if_exists=True,
            )
            self._id = self._storage.get_study_id_from_name(self._study.study_name)
            there = len(self._study.get_trials(deepcopy=False))
            if there < sweep.trials:
                self._add(range(there, sweep.trials))
        for number, point in self._mine.items():
            self._hold(number, point)

    def _add(self, numbers: range) -> None:
        """Add trials as their folders are; others wait to be taken."""
        sweep = self._sweep
        settings = sweep.settings
        recorded = judge_of(sweep, self._folder).everything()
        points = grid_points(sweep) if settings.search == "grid" else {}
        for number in numbers:
            record = recorded.get(number)
            if record is None or record.state == "begun":
                point = record.point if record else points.get(number, {})
                self._study.enqueue_trial(dict(point))
            else:
                self._study.add_trial(frozen(record, sweep.dimensions))

    def _hold(self, number: int, point: Point) -> None:
        """Take a trial that this process has, in a study that was made again meanwhile."""
        states = optuna().trial.TrialState
        trial = self._study.get_trials(deepcopy=False)[number]
        if trial.state != states.WAITING:
            return
        id_ = self._trial_id(number)
        self._storage.set_trial_state_values(id_, states.RUNNING)
        for dimension in self._sweep.dimensions:
            if dimension.name in point:
                distribution = distribution_of(dimension)
                value = distribution.to_internal_repr(point[dimension.name])
                self._storage.set_trial_param(id_, dimension.name, value, distribution)

    def _trial_id(self, number: int) -> int:
        id_: int = self._storage.get_trial_id_from_study_id_trial_number(self._id, number)
        return id_

    def _again(self, action: Callable[[], T]) -> T:
        """Do something; if the storage was lost meanwhile, open it again first.

        Raises:
            RunFailed: it cannot be opened again.
        """
        broken: tuple[type[Exception], ...] = (Lost, LookupError, OSError, ValueError)
        broken += _storage_errors()
        for attempt in range(ATTEMPTS):
            try:
                if attempt:
                    self._open()
                return action()
            except RunFailed as error:  # a database that is away may come back
                last: Exception = error
            except broken as error:
                last = error
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
        reason = last if isinstance(last, SeqlabError) else f"{type(last).__name__}: {last}"
        raise RunFailed(f"{self._folder.path}: the study is lost ({reason})") from last

    # -- taking

    @contextmanager
    def taking(self) -> Iterator[Taken | None]:
        """Have a trial inside the block, and its lock; None: nobody has left one, or begun none.

        One that a process left comes before a new one.
        """
        for number, _ in self._again(self._open_trials):
            with self._folder.holding(number) as held:
                taken = self._again(lambda n=number: self._take(n)) if held else None  # type: ignore[misc] # of a default
                if taken is None:
                    continue
                self._mine[number] = taken.point
                try:
                    yield taken
                finally:
                    self._mine.pop(number, None)
                return
        yield None

    def _open_trials(self) -> list[tuple[int, bool]]:
        """The trials that have not ended, those that were begun first."""
        states = optuna().trial.TrialState
        trials = self._study.get_trials(deepcopy=False, states=(states.RUNNING, states.WAITING))
        mine = [t for t in trials if t.state == states.WAITING or self._may_take(t)]
        mine = [trial for trial in mine if trial.number < self._sweep.trials]
        found = [(trial.number, trial.state == states.WAITING) for trial in mine]
        return sorted(found, key=lambda pair: (pair[1], pair[0]))

    def _may_take(self, trial: o.trial.FrozenTrial) -> bool:
        """Whether the lock of a trial that was begun tells if somebody has it."""
        if self._reach == "host":
            return trial.user_attrs.get(OWNER) == _owner()
        return self._reach == "hosts"

    def _take(self, number: int) -> Taken | None:
        """Take a trial whose lock is held, unless another process has ended it meanwhile."""
        states = optuna().trial.TrialState
        before = self._study.get_trials(deepcopy=False)[number]
        if before.state.is_finished():
            return None
        id_ = self._trial_id(number)
        if before.state == states.WAITING and not self._storage.set_trial_state_values(
            id_, states.RUNNING
        ):
            return None  # another host was faster
        settings = self._sweep.settings
        self._study.sampler = sampler_of(settings.search, settings.seed + number)
        trial = optuna().trial.Trial(self._study, id_)
        trial.set_user_attr(OWNER, _owner())
        point: dict[str, Label] = {}
        for dimension in self._sweep.dimensions:
            if dimension.applies(point):
                point[dimension.name] = suggested(trial, dimension)
        return Taken(number, point, tuple(before.user_attrs.get(TAKEN, ())))

    def note_taken(self, taken: Taken, how_far: str) -> None:
        """Note how far a trial is that was taken."""
        noted = [*taken.taken, how_far]
        self._again(
            lambda: self._storage.set_trial_user_attr(self._trial_id(taken.number), TAKEN, noted)
        )

    def is_over(self) -> bool:
        """Whether every trial that this process might take has ended."""
        return not self._again(self._open_trials)

    # -- telling

    def report(self, number: int, row: int, value: float) -> bool:
        """Tell the value of a trial's row; return whether the trial should be pruned.

        Args:
            number: of the trial.
            row: of its first run, from 1.
            value: of the row.
        """

        def tell() -> bool:
            self._study.sampler = sampler_of("random", 0)  # nothing is chosen
            trial = optuna().trial.Trial(self._study, self._trial_id(number))
            known = self._study.get_trials(deepcopy=False)[number].intermediate_values
            if row not in known:
                trial.report(value, row)
            return bool(trial.should_prune())

        return self._again(tell)

    def end(self, record: TrialRecord) -> None:
        """Tell how a trial has ended."""
        states = optuna().trial.TrialState
        state = {"finished": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}

        def tell() -> None:
            values = record.value if record.state == "finished" else None
            if record.state == "failed":
                id_ = self._trial_id(record.number)
                self._storage.set_trial_user_attr(id_, "reason", record.reason[:2000])
            self._study.tell(
                record.number, values, state=state[record.state], skip_if_finished=True
            )

        self._again(tell)

    def counts(self) -> dict[str, int]:
        """How many trials are in each state."""
        trials = self._again(lambda: self._study.get_trials(deepcopy=False))
        counts: dict[str, int] = {}
        for trial in trials:
            counts[NAMES[trial.state.name]] = counts.get(NAMES[trial.state.name], 0) + 1
        return counts


def _owner() -> str:
    return socket.gethostname()


def _storage_errors() -> tuple[type[Exception], type[Exception]]:
    """What Optuna and SQLAlchemy raise where a storage is away."""
    from sqlalchemy.exc import SQLAlchemyError

    return (optuna().exceptions.StorageInternalError, SQLAlchemyError)
