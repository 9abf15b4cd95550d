"""seqlab export, as a user calls it: the folder, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import seqlab
from seqlab.runs.publishing import short_ends


@pytest.fixture
def export(seqlab_command, trained_once):
    """Call export for a run in `here`."""
    shutil.copytree(trained_once, "here")
    return lambda *arguments: seqlab_command("export", "here", *arguments)


def _exported(tiny, **sections):
    """A run, and the run that its export is."""
    run = seqlab.run(tiny | {"train": {"steps": 3}} | sections)
    return run, seqlab.open_run(run.export("folder", "out").folder)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "causal_attention"])
def test_an_exported_folder_has_the_logits_of_the_run(tiny, cell):
    run, exported = _exported(tiny, cell=cell)
    ids = run.tokenizer.encode("the quick brown fox")
    assert torch.equal(exported.model(ids), run.model(ids))
    assert exported.generate("the fox")[0].text == run.generate("the fox")[0].text


def test_an_exported_folder_is_a_run_for_every_command(export, seqlab_command):
    assert (export("--to", "folder", "--out", "out").out, Path("out/run.json").exists()) == (
        "out\n",
        True,
    )
    scores = [seqlab_command("score", run, "the fox").out for run in ("here", "out")]
    assert scores[0] == scores[1] != ""
    texts = [seqlab_command("generate", run, "-p", "the").out for run in ("here", "out")]
    assert texts[0] == texts[1] != ""


def test_an_exported_folder_has_no_state_of_training(export):
    export("--to", "folder", "--out", "out")
    before, after = (seqlab.open_run(path).checkpoint.state for path in ("here", "out"))
    assert "training" in before
    assert set(after) <= {"tokenizer", "counts"}
    assert not Path("out/log.txt").exists()


def test_no_file_of_an_export_names_this_machine(tiny):
    run = seqlab.run(tiny | {"train": {"steps": 1}})
    assert str(Path.cwd()) in run.folder.resolved.read_text("utf-8")
    folder = run.export("folder", "out").folder
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 7
    assert not [path for path in files if str(Path.cwd()).encode() in path.read_bytes()]


def test_an_export_is_evaluated_where_its_text_is_put(tiny, text_file):
    held = {"corpus": tiny["corpus"] | {"holdout": 0.3}, "evaluation": {"rows": 2}}
    run, exported = _exported(tiny, **held)
    with pytest.raises(seqlab.SeqlabError, match="there is no such file"):
        exported.evaluate("valid")
    shutil.copy(text_file, exported.path / Path(exported.config["corpus"]["path"]).name)
    assert exported.evaluate("valid")["loss"] == run.evaluate("valid")["loss"]


def test_an_export_begins_a_run_and_is_not_resumed(export, seqlab_command, tiny):
    export("--to", "folder", "--out", "out")
    refused = seqlab_command("resume", "out")
    assert (refused.code, refused.complaints) == (
        2,
        [
            "seqlab: out: is an export, without what training needs to go on; start a new run from"
            " its weights: --set train.init_from=out"
        ],
    )
    begun = seqlab.run(tiny | {"train": {"steps": 1, "init_from": "out", "seed": 1}})
    assert begun.metrics


def test_a_dropped_in_plugin_goes_with_the_export(tiny, drop):
    drop(
        """
        import seqlab
        from seqlab_plugins.cells.recurrent import GRU

        class Mine(GRU):
            "A cell."

        @seqlab.hookimpl
        def seqlab_register_cells():
            return {"mine": Mine}
        """
    )
    run, exported = _exported(tiny, cell="mine")
    kept = [path.read_bytes() for path in exported.folder.plugins.iterdir()]
    assert kept == [path.read_bytes() for path in run.folder.plugins.iterdir()]
    assert len(kept) == 1


def test_the_best_checkpoint_is_exported_with_its_numbers(tiny):
    settings = {"corpus": tiny["corpus"] | {"holdout": 0.3}, "evaluation": {"every": "1 step"}}
    run = seqlab.run(tiny | settings | {"train": {"steps": 4}})
    best = run.description["best"]["step"]
    opened = seqlab.open_run(run.path, checkpoint="best")
    exported = seqlab.open_run(opened.export("folder", "out").folder, checkpoint="best")
    assert exported.description["step"] == best
    assert max(row["step"] for row in exported.metrics) == best


def test_the_model_card_says_what_the_model_is_and_how_good(tiny):
    run = seqlab.run(tiny | {"train": {"steps": 3}, "cell": "gru"})
    card = (run.export("folder", "out", license="MIT").folder / "README.md").read_text("utf-8")
    row = run.metrics[-1]
    assert card.startswith(
        "---\nlibrary_name: seqlab\npipeline_tag: text-generation\nlicense: MIT\n"
        "tags: [seqlab, gru]\n---\n"
    )
    assert f"| parameters | {run.description['parameters']:,} |" in card
    assert f"| train | 3 | {row['loss']:.5g} | {row['perplexity']:.5g} |" in card
    assert "| licence of the text | unknown |" in card


def test_a_doubt_stands_at_the_top_of_the_model_card(tiny):
    from seqlab_plugins.exporters.model_card import model_card

    from seqlab.testing.trained_runs import trained_run

    run = trained_run()
    run.description["doubt"] = "worse than *guessing* \x1b[31m"
    card = model_card(run, "unknown", "")
    assert r"**There is a doubt: worse than \*guessing\* \\x1b\[31m**" in card
    assert "\x1b" not in card


def test_json_says_where_the_files_are(export):
    told = json.loads(export("--to", "folder", "--out", "out", "--json").out)
    assert (told["exporter"], told["folder"], told["address"]) == ("folder", "out", None)
    assert {"README.md", "run.json", "resolved.yaml"} < {*told["files"]}


def test_the_folder_is_named_by_run_and_exporter_unless_it_is_given(export):
    name = seqlab.open_run("here").description["name"]
    assert export("--to", "folder").out == f"{name}-folder\n"


IMPOSSIBLE = [
    (("--to", "foldr"), "--to: exporter.name: unknown exporter 'foldr'; did you mean 'folder'?"),
    (("--to", "folder", "--out", "here"), "here: exists already; give another --out"),
    (("--to", "folder", "--out", "a/../here"), "a/../here: exists already; give another --out"),
    (("--to", "folder", "--set", "licence=x"), "has no option 'licence'; did you mean 'license'?"),
    (("--to", "folder", "--set", "license=3"), "license: should be a valid string"),
    (("--to", "folder", "--checkpoint", "7"), "has no checkpoint of step 7"),
    ((), "Missing option '--to'"),
]


@pytest.mark.parametrize(("arguments", "message"), IMPOSSIBLE)
def test_what_cannot_be_exported_is_told_in_one_line(export, arguments, message):
    Path("a").mkdir()
    result = export(*arguments)
    assert (result.code in (2, 4), result.out) == (True, "")
    assert message in result.err
    assert not Path("tiny-folder").exists()


EXPORTERS = """
    import os
    import seqlab

    class Empty:
        "Writes nothing."
        def export(self, run, folder):
            pass

    class Refuses:
        "Refuses this model."
        def export(self, run, folder):
            (folder / "half").write_text("x")
            raise ValueError("its cells have no such form")

    class Fails:
        "Has a bug."
        def export(self, run, folder):
            (folder / "half").write_text("x")
            return {}["missing"]

    class Full:
        "Finds the disk full."
        def export(self, run, folder):
            (folder / "half").write_text("x")
            raise OSError(28, "No space left on device")

    class Sends:
        "Sends the model elsewhere."
        keeps_files = False
        def export(self, run, folder):
            run.save(folder)
            return "there://" + run.name

    @seqlab.hookimpl
    def seqlab_register_exporters():
        return {"empty": Empty, "refuses": Refuses, "fails": Fails, "full": Full, "sends": Sends}
"""


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("empty", 3, "wrote no file"),
        ("refuses", 2, "exporter 'refuses': its cells have no such form"),
        ("fails", 3, "failed: KeyError: 'missing'"),
        ("full", 1, "exporter 'full' cannot write or send: No space left on device"),
    ],
)
def test_an_exporter_that_fails_leaves_nothing(export, drop, name, code, message):
    drop(EXPORTERS)
    before = sorted(path.name for path in Path().iterdir())
    result = export("--to", name, "--out", "out")
    assert (result.code, result.out) == (code, "")
    assert message in result.err
    assert sorted(path.name for path in Path().iterdir()) == before


def test_an_exporter_that_sends_a_model_leaves_no_folder(export, drop):
    drop(EXPORTERS)
    name = seqlab.open_run("here").description["name"]
    assert export("--to", "sends").out == f"there://{name}\n"
    assert (
        "--out: exporter 'sends' leaves no files here" in export("--to", "sends", "--out", "x").err
    )
    assert not [path for path in Path().iterdir() if path.name.startswith(("x", name))]


def test_exporters_are_listed_with_the_other_components(seqlab_command):
    assert "folder" in seqlab_command("plugins", "show", "exporter").out


def test_paths_are_told_apart_by_their_shortest_ends():
    assert short_ends(["/home/me/a/train.txt", "/data/b/train.txt", "/x"]) == {
        "/home/me/a/train.txt": "a/train.txt",
        "/data/b/train.txt": "b/train.txt",
        "/x": "x",
    }
