"""Sparing the compiler's import changes no number.

In processes of their own: in this one the compiler may be loaded, and cannot be unloaded.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from seqlab.experiment.yaml12 import dump_yaml
from seqlab.training.eager_optimizers import eager_step

COMPARE = """
import sys, torch
from torch import nn
from seqlab.training.eager_optimizers import eager_step, spare_compiler

def trained(name, stepper):
    weight = nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4))
    optimizer = getattr(torch.optim, name)([weight], lr=0.1)
    step = stepper(optimizer)
    for _ in range(5):
        weight.grad = weight.detach() ** 3
        step()
    return weight.detach()

NAMES = ["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "NAdam"]
spare_compiler()
spared = {name: trained(name, eager_step) for name in NAMES}
assert "torch._dynamo" not in sys.modules
plain = {name: trained(name, lambda optimizer: optimizer.step) for name in NAMES}
assert "torch._dynamo" in sys.modules
print([name for name in NAMES if torch.equal(spared[name], plain[name])] == NAMES)
"""

HOOK = """
import torch
from torch import nn
from seqlab.training.eager_optimizers import eager_step

optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))])
optimizer.register_step_post_hook(lambda *_: None)
print(eager_step(optimizer) == optimizer.step)
"""

RUN = """
import sys, seqlab
seqlab.run("tiny.yaml")
print("torch._dynamo" not in sys.modules)
"""


def _printed(code: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


def test_a_step_is_torchs_own_to_the_bit():
    assert _printed(COMPARE) == "True"


def test_a_step_that_somebody_hooked_is_torchs_own():
    assert _printed(HOOK) == "True"


def test_a_run_needs_no_compiler(tiny):
    Path("tiny.yaml").write_text(dump_yaml(tiny), "utf-8")
    assert _printed(RUN) == "True"


def test_an_optimizer_of_another_make_is_called_as_it_is():
    class Own(torch.optim.Optimizer):
        def step(self, closure=None):
            return "mine"

    assert eager_step(Own([nn.Parameter(torch.ones(1))], {}))() == "mine"
