"""What an optimizer promises, one file for each part of the promise."""

from seqlab.testing.optimizers import gradients, rates, skipped_steps, steps

MODULES = (steps, gradients, rates, skipped_steps)
