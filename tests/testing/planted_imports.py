"""A module whose import is noticed: it prints, and changes what belongs to everybody."""

import random
import warnings

import torch

print("hello")  # noqa: T201 # the defect
random.seed(1)
torch.set_num_threads(1)
torch.manual_seed(3)
warnings.simplefilter("ignore")


class Loud(torch.nn.Identity):
    """A cell, or nearly."""
