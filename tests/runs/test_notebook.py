"""What a notebook user has beside what the command does."""

from __future__ import annotations

import copy
import logging
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import seqlab
from seqlab import notebook
from seqlab.errors import Escaped
from seqlab.experiment.yaml12 import dump_yaml
from seqlab.interrupts import forbidding_exit


@pytest.fixture
def run(make_run, registry):
    return seqlab.open_run(make_run("runs/it/one"), registry=registry)


def test_the_config_of_a_run_is_the_experiment_and_runs_again(tiny, registry):
    run = seqlab.run(tiny, registry=registry)
    assert run.config["cell"]["hidden_size"] == 16
    again = seqlab.run(run.config, registry=registry)
    assert again.metrics[-1]["loss"] == run.metrics[-1]["loss"]
    run.config["cell"].clear()
    assert run.config["cell"]["hidden_size"] == 16


def test_the_history_is_a_frame_where_pandas_is_there(run, monkeypatch):
    pandas = pytest.importorskip("pandas")
    assert isinstance(run.history, pandas.DataFrame)
    assert list(run.history["loss"]) == [row["loss"] for row in run.metrics]


def test_the_history_is_a_list_of_rows_where_it_is_not(run, monkeypatch):
    monkeypatch.setattr("seqlab.runs.run_record.find_spec", lambda name: None)
    assert run.history == run.metrics


def test_a_run_is_resumed_where_it_is(tiny, registry):
    run = seqlab.run(tiny, registry=registry)
    longer = run.resume(overrides={"train": {"epochs": 2}})
    assert longer.path == run.path
    assert [row["epoch"] for row in longer.metrics] == [1, 2]


def test_overrides_are_python_values_wherever_they_are_taken(tiny, registry):
    changed = {"cell": "gru", "optimizer.lr": 1e-3, "train": {"epochs": 2}, "decoder": "sample"}
    run = seqlab.run(tiny, overrides=changed, registry=registry)
    assert run.config["cell"]["name"] == "gru"
    assert run.config["optimizer"]["lr"] == 1e-3
    greedy = run.generate("the", length=5, overrides={"decoder": "greedy"})
    assert greedy == run.generate("the", length=5, overrides=["decoder=greedy"])
    assert greedy == run.generate("the", length=5, overrides={"decoder.temperature": 1e-6})


def test_the_tokenizer_of_a_run_decodes_what_it_encodes(run):
    ids = run.tokenizer.encode("the fox")
    for given in (ids, list(ids), torch.as_tensor(ids)):
        assert run.tokenizer.decode(given) == "the fox"
    assert run.tokenizer.decode([]) == ""
    assert copy.deepcopy(run.tokenizer).size == run.tokenizer.size


@pytest.mark.parametrize("wrong", [[-1], [10_000], [[1, 2]], [0.5]])
def test_ids_that_are_none_are_not_decoded(wrong, run):
    with pytest.raises(seqlab.UsageError, match="ids"):
        run.tokenizer.decode(wrong)


def test_a_model_takes_ids_of_a_window_or_a_batch_and_no_state(run):
    ids = [int(i) for i in run.tokenizer.encode("the fox")]
    logits = run.model(ids)
    assert logits.shape == (7, run.tokenizer.size)
    with_state, _ = run.model(torch.tensor([ids]), None)
    for same in (run.model([ids, ids])[1], with_state[0], run.model(np.array(ids, dtype=np.uint8))):
        assert torch.allclose(same, logits, atol=1e-5)


@pytest.mark.parametrize("wrong", [[], [[]], [0.5], [[1], [1, 2]], "the", [-1], [10_000], [[[1]]]])
def test_a_model_refuses_ids_that_are_none(wrong, run):
    with pytest.raises(seqlab.UsageError, match="ids"):
        run.model(wrong)


# -- several runs


def test_runs_are_found_by_what_the_command_takes(make_run):
    for name in ("a/one", "a/two", "b/three"):
        make_run(f"runs/{name}")
    names = lambda found: [run.path.name for run in found]  # noqa: E731
    assert names(seqlab.runs()) == ["one", "two", "three"]
    assert names(seqlab.runs("a*")) == ["one", "two"]
    assert names(seqlab.runs(["b", "one"])) == ["three", "one"]
    with pytest.raises(seqlab.UsageError, match="no such folder"):
        seqlab.runs("c")


def test_the_package_of_runs_stays_a_package():
    import seqlab.runs.lookup as lookup

    assert callable(seqlab.runs)
    assert seqlab.runs.lookup is lookup


def test_a_damaged_run_is_left_out_of_all_runs_and_named(make_run, caplog):
    make_run("runs/a/one")
    Path(make_run("runs/a/two"), "run.json").write_text("{")
    assert [run.path.name for run in seqlab.runs()] == ["one"]
    assert "two" in caplog.text


def test_a_comparison_has_the_rows_of_the_command_and_a_table(make_run):
    make_run("runs/a/one", {"train.seed": 1}, losses=[2.0])
    make_run("runs/a/two", {"train.seed": 2}, losses=[3.0])
    make_run("runs/a/<b>", {"cell.name": "gru"}, losses=[1.0])
    rows = seqlab.compare(["one", seqlab.open_run("two"), "runs/a/<b>"])
    assert [(row["n"], row["cell.name"]) for row in rows] == [(2, "rnn"), (1, "gru")]
    html = rows._repr_html_()
    ElementTree.fromstring(html)  # noqa: S314 # our own
    assert "<td" in html
    assert "<b>&lt;b&gt;" not in html
    assert "<th>&lt;b&gt;</th>" in html
    assert seqlab.compare("one")[0]["n"] == 1


# -- pictures


def test_a_run_shows_itself_as_a_table_and_a_curve(run):
    html = run._repr_html_()
    tree = ElementTree.fromstring(html)  # noqa: S314 # our own
    assert tree.find(".//{http://www.w3.org/2000/svg}svg") is not None
    assert "script" not in html


def test_what_a_stranger_wrote_into_a_run_is_text(make_run):
    run = seqlab.open_run(make_run("runs/it/one", name="<script>alert(1)</script>\x1b[31m"))
    html = run._repr_html_()
    assert "<script" not in html
    assert "\x1b" not in html


def test_a_damaged_run_shows_what_is_wrong(run):
    (run.path / "metrics.jsonl").write_text("{\n")
    assert "metrics.jsonl:1" in run._repr_html_()


def test_a_run_and_several_are_plotted(make_run, run):
    figure = run.plot("loss", x="epoch")
    assert figure.axes[0].get_xlabel() == "epoch"
    assert figure._repr_png_().startswith(b"\x89PNG")
    make_run("runs/it/two", {"cell.name": "gru"})
    assert len(seqlab.runs().plot(["loss", "perplexity"]).axes) == 2
    with pytest.raises(seqlab.UsageError, match="did you mean 'loss'"):
        run.plot("los")


# -- errors


def test_an_error_is_one_line_in_ipython(tiny):
    with pytest.raises(seqlab.ExperimentError) as caught:
        seqlab.run(tiny, overrides={"cell.hiden": 1})
    (line,) = caught.value._render_traceback_()
    assert line.startswith("ExperimentError: overrides['cell.hiden'] = 1: cell.hiden: ")


def test_an_error_of_an_option_names_it_as_it_was_given(run):
    with pytest.raises(seqlab.ExperimentError, match=r"^temperature=-1: decoder\.temperature: "):
        run.generate("the", temperature=-1)
    with pytest.raises(seqlab.ExperimentError, match=r'^overrides=\["decoder.temperature=-1"\]: '):
        run.generate("the", overrides=["decoder=sample", "decoder.temperature=-1"])


def test_a_bug_keeps_its_traceback_in_ipython():
    @forbidding_exit()
    def exits():
        raise SystemExit(3)

    with pytest.raises(Escaped) as caught:
        exits()
    assert any("in exits" in line for line in caught.value._render_traceback_())


def test_who_calls_python_is_not_told_of_options(tiny, caplog):
    run = seqlab.run(tiny)
    for wrong in (
        run.resume,
        lambda: seqlab.open_run("zz"),
        lambda: seqlab.run(tiny, run_dir=run.path),
    ):
        with pytest.raises(seqlab.UsageError) as caught:
            wrong()
        assert "--" not in str(caught.value)
        assert "`seqlab r" not in str(caught.value).replace("`seqlab.runs()`", "")


def test_an_interrupted_cell_says_how_to_go_on(tiny):
    timer = threading.Timer(0.5, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        seqlab.run(tiny, overrides={"train.epochs": 5000}, run_dir="here")
    (line,) = caught.value._render_traceback_()
    assert line.endswith('it is saved. To go on: seqlab.open_run("here").resume()')
    step = seqlab.open_run("here").description["step"]
    again = seqlab.open_run("here").resume(overrides={"train.steps": step + 2})
    assert again.description["status"] == "finished"


# -- progress


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would show: the texts of each display, the first and what replaced it."""
    displays = []

    class Handle:
        def __init__(self, text):
            self.texts = [repr(text)]
            displays.append(self.texts)

        def update(self, text):
            self.texts.append(repr(text))

    monkeypatch.setattr(notebook, "in_notebook", lambda: True)
    monkeypatch.setattr(notebook, "_display", Handle)
    monkeypatch.setattr(notebook, "UPDATED", 0.02)
    return displays


def test_a_notebook_shows_one_line_whose_last_text_stays(shown, tiny, capfd):
    seqlab.run(tiny, overrides={"train.epochs": 3})
    (texts,) = shown
    assert len(texts) > 2
    assert texts[-1].startswith("epoch 3/3  [=")
    assert capfd.readouterr().err == ""


def test_a_long_reading_is_shown_in_a_notebook(shown, monkeypatch):
    from seqlab.data import progress

    monkeypatch.setattr(progress, "SILENT", 0.0)
    report = progress.log_progress()
    for done in (1, 2, 3):
        report("Reading", done, 3000)
        time.sleep(0.03)
    (texts,) = shown
    assert texts[-1] == "Reading: 3 of 3,000"


def test_a_terminal_is_no_notebook(monkeypatch):
    assert not notebook.in_notebook()
    shell = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not notebook.in_notebook()
    shell.kernel = object()
    assert notebook.in_notebook()


def test_warnings_of_a_run_reach_who_set_up_no_logging(tiny):
    """In a process of its own: pytest sets up logging."""
    Path("tiny.yaml").write_text(dump_yaml(tiny | {"samples": {"prefixes": ["分开"]}}), "utf-8")
    code = "import seqlab; seqlab.run('tiny.yaml', overrides={'train.epochs': 1})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "seqlab: warning: samples: prefix '分开'" in done.stderr


def test_what_seqlab_offers_first_can_be_read_in_a_minute():
    shown = dir(seqlab)
    assert {"run", "resume", "open_run", "runs", "compare", "hookimpl", "Batch"} <= {*shown}
    assert len(shown) < 60
    assert seqlab.linear_loss is not None
    assert "linear_loss" not in shown


@pytest.fixture(autouse=True)
def _warnings_of_seqlab(caplog):
    caplog.set_level(logging.WARNING, "seqlab")
