"""What processes leave for their launcher about how they ended."""

from __future__ import annotations

from pathlib import Path

from seqlab.distributed.launched import Launched
from seqlab.distributed.outcomes import read_outcomes, write_beginning, write_outcome


def process(rank: int, attempt: int) -> Launched:
    return Launched(rank, 2, rank, 2, "mine", attempt)


def test_a_failure_before_a_restart_is_not_how_the_run_ended(tmp_path: Path):
    write_beginning(tmp_path, process(1, 0))
    write_outcome(tmp_path, process(1, 0), 1, ["rank 0 does not answer"], lost=0)
    assert [outcome.rank for outcome in read_outcomes(tmp_path)] == [1]
    write_beginning(tmp_path, process(0, 1))
    assert read_outcomes(tmp_path) == []


def test_outcomes_of_the_last_attempt_are_read_in_the_order_of_time(tmp_path: Path):
    for rank in (1, 0):
        write_beginning(tmp_path, process(rank, 1))
        write_outcome(tmp_path, process(rank, 1), 1, ["no space left"])
    assert [outcome.rank for outcome in read_outcomes(tmp_path)] == [1, 0]
