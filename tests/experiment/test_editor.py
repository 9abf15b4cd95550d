"""What an editor offers: the language server of YAML editors, with the schema of experiments."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

SERVER = shutil.which("yaml-language-server")
SCHEMA = Path(__file__).parents[2] / "experiments" / "schema.json"

pytestmark = pytest.mark.skipif(
    SERVER is None,
    reason="no yaml-language-server on the PATH (npm install -g yaml-language-server@1.19.2)",
)


class Editor:
    """A client of the server: JSON-RPC over its stdin and stdout."""

    def __init__(self, process):
        self.process, self.count = process, 0
        self.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        settings = {"yaml": {"completion": True, "schemaStore": {"enable": False}}}
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

    def complete(self, text):
        """What is offered at the mark `|` of a text."""
        before, _, after = text.partition("|")
        self.count += 1
        uri = f"file:///experiment-{self.count}.yaml"
        head = f"# yaml-language-server: $schema={SCHEMA.as_uri()}\n"
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": head + before + after}
        self.send("textDocument/didOpen", {"textDocument": document})
        line, column = (head + before).count("\n"), len(before.rpartition("\n")[2])
        place = {"line": line, "character": column}
        answer = self.request(
            "textDocument/completion", {"textDocument": {"uri": uri}, "position": place}
        )
        return {item["label"] for item in answer["items"]}


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
    assert {"hidden_size", "heads", "context"} <= offered
    assert "expansion" not in offered  # of another cell


def test_the_options_of_a_cell_in_a_list_are_offered_in_flow_style(editor):
    """For a key that is begun."""
    offered = editor.complete(
        "cell:\n  name: stack\n  layers:\n    - {name: causal_attention, con|}\n"
    )
    assert "context" in offered


def test_the_names_of_cells_are_offered_in_a_list(editor):
    offered = editor.complete("cell:\n  name: stack\n  layers:\n    - name: |\n")
    assert {"gru", "mlp", "causal_attention"} <= offered
