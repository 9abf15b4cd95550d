"""Exporters with one mistake each."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import torch


class Weights:
    """Writes the weights; what the planted ones are made of."""

    def export(self, run, folder):
        values = [value.flatten().tolist() for value in run.model.state_dict().values()]
        (folder / "weights.txt").write_text(str(values))


class BesideTheFolder(Weights):
    """Writes a log into the working folder."""

    def export(self, run, folder):
        super().export(run, folder)
        Path("export.log").write_text("done")


class WritesNothing(Weights):
    """Forgets to write."""

    def export(self, run, folder):
        pass


class NamesByTheClock(Weights):
    """Names its file by the time."""

    def export(self, run, folder):
        (folder / f"weights-{time.perf_counter_ns()}").write_text("")


class HalvesThePrecision(Weights):
    """Rounds the weights of the run itself."""

    def export(self, run, folder):
        with torch.no_grad():
            for parameter in run.model.parameters():
                parameter.copy_(parameter.half().float())
        super().export(run, folder)


class LeavesItInTraining(Weights):
    """Leaves the model in training mode."""

    def export(self, run, folder):
        super().export(run, folder)
        run.model.train()


class Freezes(Weights):
    """Freezes the parameters."""

    def export(self, run, folder):
        super().export(run, folder)
        run.model.requires_grad_(False)


class NotesItself(Weights):
    """Writes into the description of the run."""

    def export(self, run, folder):
        super().export(run, folder)
        run.description["exported"] = True


class TriesARandomInput(Weights):
    """Seeds the generator of everybody to try the model."""

    def export(self, run, folder):
        super().export(run, folder)
        torch.manual_seed(0)


class KeepsTheEnvironment(Weights):
    """Writes down how it was called."""

    def export(self, run, folder):
        super().export(run, folder)
        (folder / "environment.txt").write_text(str(dict(os.environ)))


class KeepsItsPath(Weights):
    """Writes down where it wrote."""

    def export(self, run, folder):
        super().export(run, folder)
        (folder / "call.txt").write_text(f"{sys.argv[0]} {folder}")
