"""Observers with one mistake each that shows only after a while, or in others' settings."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import torch


class DrawsWhenSaving:
    """Says with each checkpoint a number that torch's generator gives."""

    def seqlab_checkpoint_saved(self, record):
        self.salt = torch.rand(()).item()


class ChangesTheDefaultType:
    """Computes its statistics in float64, and leaves that as the default."""

    def seqlab_run_started(self, record):
        torch.set_default_dtype(torch.float64)


class TurnsGradientsOff:
    """Switches gradients off for its own sums, and not on again."""

    def seqlab_step_ended(self, record):
        torch.set_grad_enabled(False)


class SilencesWarnings:
    """Hides the warnings of everybody."""

    def seqlab_run_started(self, record):
        warnings.simplefilter("ignore")


class RaisesForNumpy:
    """Wants to hear of each infinity, and lets everybody hear of it."""

    def seqlab_run_started(self, record):
        np.seterr(all="raise")


class StepInAByte:
    """Writes the number of the step in one byte."""

    def seqlab_step_ended(self, record):
        bytes([record.step])


class LeavesAThread:
    """A thread that says that the run is alive, and does not hear that it ended."""

    def seqlab_run_started(self, record):
        self.ended = threading.Event()
        threading.Thread(target=self.ended.wait, args=(60,), daemon=True).start()
