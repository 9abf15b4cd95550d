"""What the command says when the code of a plugin goes wrong in the middle of a run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import seqlab
from seqlab.errors import PluginError
from seqlab.experiment.yaml12 import dump_yaml

CELL = """
    import sys
    import torch
    from torch import nn
    from seqlab import hookimpl

    class Failing(nn.Module):
        '''Goes wrong in the fifth step.'''

        def __init__(self, input_size: int):
            super().__init__()
            self.linear, self.output_size, self.seen = nn.Linear(input_size, 8), 8, 0

        def forward(self, inputs, state):
            self.seen += 1
            if self.seen >= 5:
                {failure}
            outputs = self.linear(inputs)
            return outputs, outputs[:, -1]

    @hookimpl
    def seqlab_register_cells():
        return {{"failing": Failing}}
"""

PARTS = """
    from seqlab import hookimpl

    class Leaving:
        splits = ("train",)

        def documents(self, split):
            raise SystemExit(1)
            yield ""

        def fingerprint(self):
            return "leaving"

    class Chooser:
        def chose(self, logits, history, uniform):
            return logits.argmax(-1)

    class Drawer:
        def __init__(self, tokens, seed: int):
            pass

        def __len__(self):
            return 1

        def batch(self, epoch, index):
            raise NotImplementedError

    @hookimpl
    def seqlab_register_corpora():
        return {"leaving": Leaving}

    @hookimpl
    def seqlab_register_decoders():
        return {"chooser": Chooser}

    @hookimpl
    def seqlab_register_samplers():
        return {"drawer": Drawer}
"""


@pytest.fixture
def crashed(seqlab_command, experiment, drop):
    """Run the tiny experiment into `here`, with a cell that does something wrong."""

    def crashed(failure):
        drop(CELL.format(failure=failure))
        return seqlab_command("run", experiment, "--set", "cell=failing", "--run-dir", "here")

    return crashed


@pytest.mark.parametrize("failure", ["sys.exit(0)", "sys.exit(5)", "raise SystemExit"])
def test_a_plugin_that_exits_has_failed_with_a_traceback(failure, crashed):
    result = crashed(failure)
    assert result.code == 3
    assert "SystemExit" in result.err
    assert "this is a bug in plugin 'dropped'; please report it" in result.err


def test_a_corpus_that_exits_is_named(seqlab_command, experiment, drop):
    drop(PARTS)
    result = seqlab_command("run", experiment, "--set", "corpus=leaving")
    assert result.code == 3
    assert "corpus 'leaving' of plugin 'dropped' failed: SystemExit: 1" in result.err


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("decoder=chooser", "decoder 'chooser' of plugin 'dropped' lacks the method `choose` or"),
        ("sampler=drawer", "sampler 'drawer' of plugin 'dropped' lacks the method `left_out`"),
    ],
)
def test_a_part_that_lacks_a_method_is_refused_before_training(
    override, message, seqlab_command, experiment, drop
):
    drop(PARTS)
    result = seqlab_command("run", experiment, "--set", override, "--run-dir", "here")
    assert result.code == 3
    assert message in result.err
    assert not Path("here").exists()


def test_a_package_in_whose_code_a_run_crashed_is_named(seqlab_command, experiment, install):
    install("blamable", CELL.format(failure="torch.zeros(2) @ torch.zeros(3)"), version="2.1")
    result = seqlab_command("run", experiment, "--set", "cell=failing")
    assert result.code == 3
    assert "this is a bug in blamable 2.1 (blamable); please report it" in result.err


@pytest.mark.parametrize(
    "failure",
    ["open('forgotten.bin')", "torch.load('forgotten.bin')", "raise BrokenPipeError(32, 'pipe')"],
)
def test_what_a_plugin_cannot_open_is_its_own_error_and_not_the_disks(failure, crashed):
    result = crashed(failure)
    assert result.code == 3
    assert "Traceback" in result.err
    assert "cannot be written" not in result.err
    assert "this is a bug in plugin 'dropped'" in result.err


def test_what_the_core_cannot_write_for_a_plugin_is_the_cores_to_tell(crashed):
    write = "from seqlab.atomic import write_atomic; from pathlib import Path"
    result = crashed(f"{write}; write_atomic(Path('nowhere/file'), b'')")
    assert result.code == 1
    assert "cannot be written (No such file or directory)" in result.err


def test_a_full_disk_that_a_plugin_met_is_one_message(crashed):
    result = crashed("raise OSError(28, 'No space left on device', 'scratch')")
    assert result.code == 1
    assert "seqlab: scratch: cannot be written (No space left on device)" in result.err


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        ("", "it has none"),
        ("def forward(self, inputs): return inputs, None", "too many positional arguments"),
        ("def forward(self, a, b, c): return a, b", "missing a required argument: 'c'"),
    ],
)
def test_a_cell_that_cannot_be_called_is_told_before_it_is(forward, message, tiny, drop):
    drop(f"""
        from torch import nn
        from seqlab import hookimpl

        class Odd(nn.Module):
            output_size = 4

            def __init__(self, input_size: int):
                super().__init__()

            {forward}

        @hookimpl
        def seqlab_register_cells():
            return {{"odd": Odd}}
    """)
    match = rf"cell 'odd' of plugin 'dropped' should have forward\(inputs, state\): {message}"
    with pytest.raises(PluginError, match=match):
        seqlab.run(tiny, overrides=["cell=odd"])


def test_a_log_that_nobody_reads_any_more_ends_no_run(tiny):
    Path("tiny.yaml").write_text(dump_yaml(tiny), "utf-8")
    command = f"{sys.executable} -m seqlab run tiny.yaml --run-dir here 2>&1 | head -1"
    subprocess.run(["bash", "-c", command], check=True, capture_output=True)
    assert seqlab.open_run("here").description["status"] == "finished"


def test_what_ended_a_run_is_in_its_log_and_how_to_go_on_is_said(crashed):
    result = crashed("raise ValueError('oh')")
    message = "The run in here stopped after step 4. It has no checkpoint yet"
    assert f"seqlab: {message}" in result.err
    log = Path("here/log.txt").read_text("utf-8")
    assert re.search(rf"ERROR {message} .*\nTraceback", log)
    assert log.endswith("ValueError: oh\n")
    assert json.loads(Path("here/run.json").read_text("utf-8"))["status"] == "failed"
