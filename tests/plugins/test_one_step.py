"""What `onnx` and `torch_export` write has the logits of the run, for every built-in cell."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from seqlab_plugins.exporters.one_step import quiet

import seqlab

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

SIZE = {"hidden_size": 8}
GRU = {"name": "gru", **SIZE}
STACKS = {
    "recurrent": [{"name": name, **SIZE} for name in ("rnn", "lstm", "gru", "min_gru")],
    "window": [
        {"name": "gated_linear_attention", **SIZE, "key_size": 4},
        {"name": "causal_attention", **SIZE, "context": 5},
        {"name": "selective_state_space", **SIZE},
    ],
    "composed": [
        {"name": "residual", "inner": {"name": "lora", "inner": GRU}},
        {"name": "parallel", "branches": [GRU, "mlp"]},
        "short_convolution",
    ],
}
STACKS |= {
    "memories": [
        {"name": name, **SIZE, "heads": 2}
        for name in ("delta_net", "gated_delta_net", "hgrn2", "mamba2", "mlstm", "retention")
    ],
    "steps": [{"name": name, **SIZE, "heads": 2} for name in ("slstm", "rwkv7")],
    "gated": [{"name": name, **SIZE} for name in ("rg_lru", "qrnn", "sru", "ind_rnn")],
    "classics": [
        {"name": name, **SIZE}
        for name in (
            "layer_norm_lstm",
            "mogrifier_lstm",
            "multiplicative_lstm",
            "peephole_lstm",
            "recurrent_highway",
        )
    ],
    "noisy": [{"name": name, "inner": GRU} for name in ("weight_drop", "zoneout")],
}
COMPLEX = {"lru", "s4d"}  # ONNX has no complex numbers
REFUSED = {"bidirectional"} | COMPLEX


def trained(tiny, cell, **sections):
    sizes = {"model": {"embedding": 8}, "train": {"steps": 2, "device": "cpu"}}
    return seqlab.run(tiny | sizes | {"cell": cell} | sections)


def onnx_step(folder):
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))

    def step(ids, *state):
        given = zip([put.name for put in session.get_inputs()], (ids, *state), strict=True)
        outputs = session.run(None, {name: value.numpy() for name, value in given})
        return [torch.from_numpy(output) for output in outputs]

    return step


def torch_step(folder):
    with quiet():
        return torch.export.load(folder / "model.pt2").module()


STEPS = {"onnx": onnx_step, "torch_export": torch_step}


def difference(run, folder, step):
    """The largest difference of a logit over a text of five rows."""
    ids = torch.from_numpy(run.tokenizer.encode("the quick brown fox, the lazy dog")).long()
    rows = ids[:30].view(5, 6)
    inputs = json.loads((folder / "step.json").read_text())["inputs"][1:]
    state = [torch.zeros(5, *p["shape"][1:], dtype=getattr(torch, p["type"])) for p in inputs]
    expected, worst = run.model(rows), 0.0
    with torch.no_grad():
        for number in range(rows.shape[1]):
            logits, *state = step(rows[:, number], *state)
            worst = max(worst, float((logits - expected[:, number]).abs().max()))
    return worst


@pytest.mark.parametrize("exporter", STEPS)
@pytest.mark.parametrize("stack", STACKS)
def test_a_step_of_every_cell_has_the_logits_of_the_run(tiny, stack, exporter):
    run = trained(tiny, {"name": "stack", "layers": STACKS[stack]})
    folder = run.export(exporter).folder
    assert difference(run, folder, STEPS[exporter](folder)) < 1e-5


def _names(section):
    if isinstance(section, dict):
        yield section["name"]
        for value in section.values():
            yield from _names(value)
    elif isinstance(section, list):
        for part in section:
            yield from [part] if isinstance(part, str) else _names(part)


def test_no_built_in_cell_is_left_out(registry):
    cells = {component.name for component in registry.components("cell")}
    tried = {name for layers in STACKS.values() for name in _names(layers)}
    assert tried | REFUSED | {"stack"} == cells


def test_inputs_and_outputs_have_names_for_any_number_of_rows(tiny):
    run = trained(tiny, {"name": "lstm", **SIZE}, model={"embedding": "one_hot", "norm": "rms"})
    folder = run.export("onnx", license="mit").folder
    assert difference(run, folder, onnx_step(folder)) < 1e-5
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    inputs = {put.name: (put.type, put.shape) for put in session.get_inputs()}
    assert inputs == {
        "ids": ("tensor(int64)", ["rows"]),
        "state_0": ("tensor(float)", ["rows", 8]),
        "state_1": ("tensor(float)", ["rows", 8]),
    }
    outputs = [put.name for put in session.get_outputs()]
    assert outputs == ["logits", "state_0_after", "state_1_after"]
    description = json.loads((folder / "step.json").read_text())
    assert [put["name"] for put in description["outputs"]] == outputs
    assert bytes.fromhex(description["tokens"][0]) == b"t"
    card = (folder / "README.md").read_text("utf-8")
    assert "license: mit\n" in card
    assert 'InferenceSession("model.onnx")' in card


@pytest.mark.parametrize("exporter", STEPS)
def test_a_model_that_reads_ahead_has_no_step(tiny, exporter):
    cell = {"name": "bidirectional", "inner": GRU}
    reserving = {"name": "with_reserved"}
    run = trained(tiny, cell, objective="masked", tokenizer=reserving)
    with pytest.raises(seqlab.UsageError, match="its cells read ahead, so there is no step"):
        run.export(exporter, "out")
    assert not Path("out").exists()


CELLS = """
    import torch
    import seqlab

    class Summing(torch.nn.Module):
        def __init__(self, input_size: int) -> None:
            super().__init__()
            self.output_size = input_size

        def forward(self, inputs, state):
            if state is None:
                state = inputs.new_zeros(len(inputs), self.output_size)
            outputs = self.change(state.unsqueeze(1) + inputs.cumsum(1))
            return outputs, outputs[:, -1]

    class Fixed(Summing):
        "Takes the number of rows for a constant."
        def change(self, outputs):
            return outputs.view(len(outputs), -1, self.output_size)

    class Asking(Summing):
        "Asks a tensor what to do."
        def change(self, outputs):
            return outputs if outputs.sum() > 0 else 2 * outputs

    class Lying(Summing):
        "Does something else when it is traced."
        def change(self, outputs):
            return outputs + 1 if torch.compiler.is_exporting() else outputs

    @seqlab.hookimpl
    def seqlab_register_cells():
        return {"fixed": Fixed, "asking": Asking, "lying": Lying}
"""
UNTRACEABLE = [
    ("fixed", "its code takes the number of rows for a constant; write `inputs.shape[0]`, and not"),
    ("asking", "torch.export cannot trace it: "),
    ("lying", "what was exported has other logits than the run: by "),
]


@pytest.mark.parametrize(("cell", "message"), UNTRACEABLE)
@pytest.mark.parametrize("exporter", STEPS)
def test_what_cannot_be_exported_is_told_in_one_line_and_leaves_nothing(
    tiny, drop, exporter, cell, message
):
    drop(CELLS)
    run = trained(tiny, cell)
    with pytest.raises(seqlab.UsageError) as refused:
        run.export(exporter, "out")
    text = str(refused.value)
    assert text.startswith(f"exporter '{exporter}': {message}" if cell != "fixed" else "exporter")
    assert message in text
    assert "\n" not in text
    assert not Path("out").exists()


def test_missing_packages_are_told_with_the_command(trained_once, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(seqlab.ExperimentError, match=r"pip install 'seqlab\[onnx\]'"):
        seqlab.open_run(trained_once).export("onnx", "out")


def test_what_was_not_compared_is_told(tiny, monkeypatch, caplog):
    """This model has no state, so its step takes ids alone."""
    run = trained(tiny, "mlp")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "onnxruntime", None)
        folder = run.export("onnx").folder
    assert "onnxruntime is not installed, so the logits were not compared" in caplog.text
    assert difference(run, folder, onnx_step(folder)) < 1e-5
