"""What the server answers, and whom it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

EVERY_API = ["/api/events", "/api/difference?runs=x", "/api/runs/x/forms"]


@pytest.fixture
def site(serve, make_run):
    make_run("runs/tiny/here")
    return serve()


@pytest.mark.parametrize("path", EVERY_API)
def test_nothing_of_a_run_is_told_without_the_token(site, path):
    assert site.ask(path, without="Authorization").status == 401
    assert site.ask(path, Authorization="Bearer wrong").status == 401
    assert site.ask(path, Authorization="Basic t0ken-of-the-test").status == 401
    assert site.ask(f"{path}?token=t0ken-of-the-test", without="Authorization").status == 401


def test_the_playground_needs_the_token_too(site):
    assert site.ask("/api/play/generate", {}, without="Authorization").status == 401


def test_the_shell_and_its_scripts_are_public_and_say_nothing_of_runs(site):
    shell = site.ask("/", without="Authorization")
    assert shell.status == 200
    assert b"tiny" not in shell.body
    assert site.ask("/static/main.js", without="Authorization").status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "a@127.0.0.1", ""])
def test_another_host_is_refused(site, host):
    """So that a name of a stranger that leads here (DNS rebinding) is of no use."""
    assert site.ask("/", Host=host).status in (400, 421)
    assert site.ask("/", Host=f"{site.host}.evil.example").status == 421


def test_a_request_without_a_host_is_refused(site):
    assert site.ask("/", without="Host").status in (400, 421)


def test_localhost_is_this_server_too(site):
    assert site.ask("/", Host=f"localhost:{site.port}").status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1"])
def test_another_origin_is_refused(site, origin):
    assert site.ask("/api/events", Origin=origin).status == 403
    assert site.ask("/api/play/score", {}, Origin=origin).status == 403


def test_a_post_needs_its_origin_and_json(site):
    assert site.ask("/api/play/score", {}, without="Origin").status == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert site.ask("/api/play/score", {}, Content_Type=kind).status == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
def test_nothing_but_get_and_post_is_answered(site, method):
    assert site.ask("/", method=method).status == 405


def test_every_answer_has_the_policy(site):
    for path in ("/", "/static/main.js", "/api/difference?runs=x", "/nowhere"):
        headers = {name.lower(): value for name, value in site.ask(path).headers.items()}
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "eval" not in policy
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "run", ["../../etc", "%2e%2e%2f%2e%2e", "/etc/passwd", "tiny", "tiny/here", "runs", "", "."]
)
def test_a_run_is_asked_for_by_its_id_and_by_no_path(site, run):
    assert site.ask(f"/api/runs/{run}/forms").status in (404, 400)
    body = {"run": run, "text": "the"}
    assert site.ask("/api/play/generate", body).status == 404


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "nothing.js", "."])
def test_no_other_file_is_served(site, name):
    assert site.ask(f"/static/{name}").status == 404


def test_a_link_to_a_run_elsewhere_is_not_shown(serve, make_run):
    outside = make_run("elsewhere/tiny/secret").absolute()
    Path("runs/linked").mkdir(parents=True)
    Path("runs/linked/secret").symlink_to(outside)
    Path("runs/whole").symlink_to(outside.parent)
    with serve().events() as events:
        _, table = next(events)
    assert table["rows"] == []


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.jsonl", "log.txt"])
def test_a_link_in_a_run_is_not_followed(serve, make_run, name):
    Path("secret.txt").write_text('{"secret": 1}\n' * 3, "utf-8")
    run = make_run("runs/tiny/here").absolute()
    (run / name).unlink()
    (run / name).symlink_to(Path("secret.txt").absolute())
    site = serve()
    with site.events(f"runs={site.id_of(run)}") as events:
        told = [next(events) for _ in range(3)]
    assert "secret" not in json.dumps(told[:3]).replace("secret.txt", "")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"run": 1}', b'{"run": "x", "more": 1}', b"\xff"],
    ids=range(8),
)
def test_a_body_that_is_not_as_it_should_be_is_refused(site, body):
    assert site.ask("/api/play/generate", body).status == 400


def test_a_large_body_is_refused(site):
    assert site.ask("/api/play/generate", b" " * (2 << 20)).status == 413


def test_looking_changes_no_file_of_a_run(site):
    def state():
        return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in Path("runs").rglob("*")}

    before = state()
    run = site.id_of(Path("runs/tiny/here").absolute())
    with site.events(f"runs={run}") as events:
        next(events)
    assert site.told("generate", run=run, text="the", length=3)[-1][0] == "ended"
    assert state() == before
