"""What the tests of trackers share: what is expected of a run, and events of one."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from seqlab.records import CheckpointSaved, EpochEnded, RunEnded, RunStarted

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


def finite(rows):
    """The numbers of rows as a tracker has them: by split and step, without what is None."""
    return {
        (row["split"], row["step"]): {
            f"{row['split']}/{name}": float(value)
            for name, value in row.items()
            if name not in {"step", "split"} and value is not None
        }
        for row in rows
    }


KILLS = """
    import os, signal
    import seqlab

    class Kills:
        "Kills the process in the EVENTth event."
        count = 0

        def any(self, record):
            self.count += 1
            if self.count == EVENT:
                os.kill(os.getpid(), signal.SIGKILL)

        seqlab_run_started = seqlab_epoch_ended = seqlab_evaluated = any
        seqlab_checkpoint_saved = seqlab_run_ended = any

    @seqlab.hookimpl
    def seqlab_register_observers():
        return {"kills": Kills}
"""


def row(step):
    """The record of an epoch that ended at a step."""
    numbers = dict.fromkeys([field.name for field in fields(EpochEnded)], 1.0)
    return EpochEnded(**numbers | {"step": step, "epoch": step, "split": "train", "parts": {}})


def tell(observer, records):
    """Begin a run in the folder `here`, and tell an observer what happens."""
    Path("here").mkdir()
    observer.seqlab_run_started(RunStarted("name", "here", 0, 9, 1, 9, 1, 0, id="1234"))
    for record in records:
        getattr(observer, EVENT_OF[type(record)])(record)


EVENT_OF = {
    CheckpointSaved: "seqlab_checkpoint_saved",
    EpochEnded: "seqlab_epoch_ended",
    RunEnded: "seqlab_run_ended",
}
