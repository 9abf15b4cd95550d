"""Workers as jobs of Slurm, by submitit (extra `slurm`)."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from seqlab.errors import Interrupted, RunFailed, UsageError
from seqlab.sweeps.folder import SweepFolder
from seqlab.sweeps.hosts import present
from seqlab.sweeps.job import Job
from seqlab.sweeps.settings import Slurm
from seqlab.sweeps.sweep import Sweep

BEFORE_END = 90  # seconds before its end in which a job is told


@dataclass
class SlurmWorker:
    """What a job calls: a worker, which saves before the job's time is over.

    It is then started again by Slurm, under the same number.
    """

    job: Job
    is_over = False

    def __call__(self) -> None:
        from seqlab.sweeps.working import work

        signal.signal(signal.SIGUSR2, self._end)  # which submitit asks Slurm for
        try:
            with present(SweepFolder(self.job.folder).locks) as reach:
                work(replace(self.job, reach=reach), lambda what, of_what: None)
        except Interrupted:
            if not self.is_over:
                raise
            requeue()

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        """Have the run save, as at SIGTERM."""
        self.is_over = True
        os.kill(os.getpid(), signal.SIGTERM)


def requeue() -> None:
    """Have Slurm start this job again."""
    environment = os.environ
    number = environment.get("SLURM_JOB_ID", "")
    if "SLURM_ARRAY_JOB_ID" in environment:
        number = f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    subprocess.run(["scontrol", "requeue", number], check=True)  # noqa: S607 # of the cluster


def parameters(sweep: Sweep, slurm: Slurm) -> dict[str, Any]:
    """Return what submitit asks Slurm for."""
    memory = {} if slurm.memory_gb is None else {"mem": f"{slurm.memory_gb:g}GB"}
    partition = {} if slurm.partition is None else {"partition": slurm.partition}
    gpus = {"gpus_per_node": slurm.gpus} if slurm.gpus else {}
    return {
        "job_name": f"seqlab-{sweep.name}",
        "time": slurm.minutes,
        "cpus_per_task": slurm.cpus,
        "signal_delay_s": BEFORE_END,
        **memory,
        **partition,
        **gpus,
        **({"additional_parameters": dict(slurm.options)} if slurm.options else {}),
    }


def script(sweep: Sweep, folder: SweepFolder, slurm: Slurm) -> str:
    """Return the script that is handed to sbatch.

    Raises:
        UsageError: submitit is not installed.
    """
    _submitit()
    from submitit.slurm.slurm import _make_sbatch_string

    python, jobs = shlex.quote(sys.executable), folder.jobs.absolute()
    text: str = _make_sbatch_string(
        command=f"{python} -u -m submitit.core._submit {shlex.quote(str(jobs))}",
        folder=jobs,
        map_count=sweep.settings.parallel,
        **parameters(sweep, slurm),
    )
    return text.rstrip("\n")


def submit(job: Job, slurm: Slurm) -> list[str]:
    """Submit the workers of a sweep as an array of jobs; return their numbers.

    Raises:
        UsageError: submitit is not installed.
        RunFailed: Slurm is not here, or refuses them.
    """
    submitit = _submitit()
    sweep = job.sweep
    worker = SlurmWorker(replace(job, threads=max(1, slurm.cpus // sweep.settings.workers)))
    folder = SweepFolder(Path(job.folder))
    try:
        executor = submitit.SlurmExecutor(folder=folder.jobs)
        executor.update_parameters(**parameters(sweep, slurm))
        with executor.batch():
            jobs = [executor.submit(worker) for _ in range(sweep.settings.parallel)]
        return [str(one.job_id) for one in jobs]
    except RuntimeError as error:  # there is no srun
        raise RunFailed(f"executor: slurm: {error}") from None
    except Exception as error:
        words = " ".join(str(error).split())
        raise RunFailed(f"executor: slurm: the jobs cannot be submitted ({words:.300})") from error


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        message = "executor: slurm needs a package: pip install 'seqlab[slurm]'"
        raise UsageError(message) from None
    return submitit
