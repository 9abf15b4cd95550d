"""What an editor offers: the language server of YAML editors, with the schema of experiments."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

SERVER = shutil.which("yaml-language-server")
EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SCHEMA = EXPERIMENTS / "schema.json"
HEAD = f"# yaml-language-server: $schema={SCHEMA.as_uri()}\n"

pytestmark = pytest.mark.skipif(
    SERVER is None,
    reason="no yaml-language-server on the PATH (npm install -g yaml-language-server@1.19.2)",
)


class Editor:
    """A client of the server: JSON-RPC over its stdin and stdout."""

    def __init__(self, process):
        self.process, self.count = process, 0
        self.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        settings = {
            "yaml": {
                "completion": True,
                "hover": True,
                "validate": True,
                "yamlVersion": "1.2",
                "schemaStore": {"enable": False},
            }
        }
        self.send("initialized", {})
        self.send("workspace/didChangeConfiguration", {"settings": settings})

    def send(self, method, params, **more):
        text = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
        self.process.stdin.flush()

    def request(self, method, params):
        """Return the result; whatever else the server says meanwhile is passed over."""
        self.count += 1
        self.send(method, params, id=self.count)
        while True:
            message = self.receive()
            if message.get("id") == self.count and "method" not in message:
                return message["result"]

    def receive(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name == b"Content-Length" else length
        assert length, "the server ended"
        return json.loads(self.process.stdout.read(length))

    def open(self, text):
        """Open a text as a file of experiments; return its address."""
        self.count += 1
        uri = f"file:///experiment-{self.count}.yaml"
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": HEAD + text}
        self.send("textDocument/didOpen", {"textDocument": document})
        return uri

    def at_mark(self, method, text):
        """Ask about the mark `|` of a text."""
        before, _, after = text.partition("|")
        uri = self.open(before + after)
        line, column = (HEAD + before).count("\n"), len(before.rpartition("\n")[2])
        place = {"line": line, "character": column}
        return self.request(method, {"textDocument": {"uri": uri}, "position": place})

    def complete(self, text):
        """What is offered at the mark `|` of a text: labels with their help."""
        answer = self.at_mark("textDocument/completion", text)
        return {item["label"]: str(item.get("documentation", "")) for item in answer["items"]}

    def errors(self, text):
        """What the server finds wrong with a text."""
        uri = self.open(text)
        while True:
            message = self.receive()
            about = message.get("params", {})
            if message.get("method") == "textDocument/publishDiagnostics" and about["uri"] == uri:
                return [found["message"] for found in about["diagnostics"]]


@pytest.fixture(scope="module")
def editor():
    with subprocess.Popen(
        [SERVER, "--stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield Editor(process)
        process.kill()


def test_the_options_of_a_cell_in_a_list_are_offered_in_block_style(editor):
    offered = editor.complete(
        "cell:\n  name: stack\n  layers:\n    - name: causal_attention\n      |\n"
    )
    assert {"hidden_size", "heads", "context"} <= offered.keys()
    assert "expansion" not in offered  # of another cell


def test_the_options_of_a_cell_in_a_list_are_offered_in_flow_style(editor):
    """For a key that is begun."""
    offered = editor.complete(
        "cell:\n  name: stack\n  layers:\n    - {name: causal_attention, con|}\n"
    )
    assert "context" in offered


def test_the_names_of_cells_are_offered_in_a_list(editor):
    offered = editor.complete("cell:\n  name: stack\n  layers:\n    - name: |\n")
    assert {"gru", "mlp", "causal_attention"} <= offered.keys()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("train:\n  |\n", "seed"),
        ("train: {see|}\n", "seed"),
        ("optimizer:\n  name: adam\n  |\n", "clip_norm"),
        ("optimizer: {name: adam, cli|}\n", "clip_norm"),
    ],
    ids=["core, block", "core, flow", "option, block", "option, flow"],
)
def test_a_key_is_offered_with_its_help(editor, text, label):
    offered = editor.complete(text)
    assert len(offered[label]) > len(label)


def test_a_name_says_what_it_is_when_the_mouse_is_on_it(editor):
    answer = editor.at_mark("textDocument/hover", "optimizer:\n  name: adam\n  clip_n|orm: 1\n")
    assert "norm" in str(answer["contents"])


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_experiment_has_no_error(editor, path):
    assert editor.errors(path.read_text("utf-8")) == []


def test_yaml_1_2_is_what_the_server_reads_as_well(editor):
    assert editor.errors("optimizer: {name: adam, lr: 1e-3}\nextends: no.yaml\n") == []


def test_a_misspelt_option_is_an_error_there_too(editor):
    assert editor.errors("cell: {name: gru, hiden_size: 3}\nextends: base.yaml\n") != []
