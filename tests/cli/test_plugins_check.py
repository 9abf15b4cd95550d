"""plugins check: what of its arguments is refused, and how."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

CELLS = '''
    import torch
    import seqlab

    class Echo(torch.nn.Module):
        """Outputs are the inputs."""

        def __init__(self, input_size: int):
            super().__init__()
            self.output_size = input_size

        @seqlab.unroll
        def forward(self, inputs, state):
            return inputs, state

    class Louder(Echo):
        """Outputs are the inputs, times `factor`."""

        def __init__(self, input_size: int, *, factor: float = 2.0):
            super().__init__(input_size)
            self.factor = factor

        def forward(self, inputs, state):
            outputs, state = super().forward(inputs, state)
            return self.factor * outputs, state

    @seqlab.hookimpl
    def seqlab_register_cells():
        return {"echo": Echo, "louder": Louder}
'''


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("louder", "--set", "facter=3"),
            "no option 'facter' of cell 'louder'; did you mean 'factor'?",
        ),
        (
            ("dropped", "--set", "size=3"),
            "no option 'size' of cell 'echo' or cell 'louder'; there are: factor",
        ),
        (("echo", "--set", "factor=3"), "no option 'factor' of cell 'echo'; there are none"),
        (
            ("plugins/dropped.py", "--kind", "cel"),
            "unknown kind 'cel'; there are: corpus, tokenizer, sampler, cell, embedding, head,"
            " objective, metric, evaluation_method, optimizer, schedule, decoder, observer,"
            " exporter",
        ),
        (
            ("plugins/dropped.py", "--kind", "corpus"),
            "'plugins/dropped.py' has no corpus; its components are of kind: cell",
        ),
    ],
)
def test_what_no_component_has_is_refused_in_one_line(seqlab_command, drop, arguments, message):
    drop(CELLS)
    result = seqlab_command("plugins", "check", *arguments)
    assert (result.code, result.out, result.err.strip()) == (2, "", f"seqlab: {message}")


def test_every_misspelt_option_is_named(seqlab_command, drop):
    drop(CELLS)
    result = seqlab_command("plugins", "check", "louder", "--set", "a=1", "--set", "b=2")
    assert result.code == 2
    assert all(f"no option '{name}' of" in result.err for name in "ab")


def test_an_option_of_one_component_is_given_to_that_one(seqlab_command, drop):
    drop(CELLS)
    result = seqlab_command("plugins", "check", "dropped", "--set", "factor=3.0")
    assert result.code == 0, result.out


def test_a_cell_without_parameters_is_not_asked_for_gradients(seqlab_command, drop):
    drop(CELLS)
    result = seqlab_command("plugins", "check", "echo")
    assert result.code == 0, result.out
    expected = "skipped\tthe cell has no parameters that are trained, and need not have any"
    assert f"gradients reach every parameter\t{expected}" in result.out


WRAPPER = """
    import seqlab
    from seqlab_plugins.cells.recurrent import RNN

    class Own(RNN):
        '''Mine.'''

    class Wrapper(seqlab.Stack):
        '''A cell around another.

        Args:
            inner: the cell.
        '''
        def __init__(
            self, input_size: int, *, inner: seqlab.CellFactory = seqlab.component("own")
        ):
            super().__init__(input_size, [inner], norm="rms")

    @seqlab.hookimpl
    def seqlab_register_cells():
        return {"wrapper": Wrapper, "own": Own}
"""


def test_a_wrapper_in_a_file_is_tried_with_its_default_of_that_file(seqlab_command):
    Path("mine.py").write_text(dedent(WRAPPER), "utf-8")
    done = seqlab_command("plugins", "check", "mine.py")
    assert (done.code, "broken" in done.out) == (0, False)
