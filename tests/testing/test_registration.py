"""The checks that every component has, the way they report, and the ways to run them."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import seqlab
import seqlab.testing
from seqlab.errors import UsageError
from seqlab.experiment.kinds import KINDS
from seqlab.testing import (
    Broken,
    NotApplicable,
    Subject,
    checks_of,
    look_at,
    registration,
    verify,
)
from seqlab.testing.collection import checks_in

pytest_plugins = ["pytester"]


class Good(nn.Module):
    """Repeats its inputs.

    Args:
        size: how many numbers come out.
        path: Required: where it is.
    """

    def __init__(self, input_size: int, *, size: int = 3, path: Path) -> None:
        super().__init__()
        self.output_size = input_size


class WithSurplus(Good):
    def __init__(self, input_size: int, vocabulary: int) -> None:
        pass


class WithoutTypes(Good):
    def __init__(self, input_size: int, *, size=3) -> None:
        pass


class WithAnything(Good):
    """Repeats `size`."""

    def __init__(self, input_size: int, *, size: Any = 3) -> None:
        pass


class Undocumented(nn.Module):
    __doc__ = None

    def __init__(self, input_size: int) -> None:
        pass


class WithoutHelp(Good):
    """Repeats."""

    def __init__(self, input_size: int, *, size: int = 3) -> None:
        pass


class Demanding(Good):
    """Repeats.

    Args:
        size: how many numbers come out.
    """

    def __init__(self, input_size: int, *, size: int) -> None:
        pass


def _loud() -> type:
    """Imported late: the import is what is wrong with it."""
    import torch

    threads = torch.get_num_threads()
    from planted_imports import Loud

    torch.set_num_threads(threads)
    return Loud


CHECKS = checks_in(registration)
DEFECTS = [
    (WithSurplus, registration.signature_is_a_schema),
    (WithoutTypes, registration.signature_is_a_schema),
    (WithAnything, registration.signature_is_a_schema),
    (Undocumented, registration.summary_says_what_it_is),
    (WithoutHelp, registration.options_are_documented),
    (Demanding, registration.options_have_defaults),
    (_loud, registration.import_changes_nothing),
]


@pytest.mark.parametrize(("bad", "check"), DEFECTS, ids=lambda v: v.__name__)
@pytest.mark.filterwarnings("default")
def test_a_planted_mistake_is_caught_by_its_check(bad, check, capfd):
    factory = bad() if bad is _loud else bad
    with pytest.raises(Broken, match=f"why: docs/conformance.md#{check.__name__}"):
        verify(check, Subject("cell", "planted", factory))


def test_an_import_that_is_noticed_is_described(capfd):
    check = registration.import_changes_nothing
    message = look_at(check, Subject("cell", "planted", _loud())).message
    for what in ("it printed 'hello'", "Python's random state", "torch's number of threads"):
        assert what in message
    assert "the filters of warnings" in message


def test_every_check_catches_something():
    assert {check for _, check in DEFECTS} == set(CHECKS)


def test_a_component_that_is_described_keeps_every_promise():
    results = [look_at(check, Subject.of("cell", Good, {"path": "x"})) for check in CHECKS]
    assert {result.verdict for result in results} == {"kept"}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(k, c.name) for k in KINDS for c in seqlab.load_plugins(local=False).components(k)],
)
def test_every_built_in_component_is_described(kind, name, registry):
    *quick, _ = CHECKS
    subject = Subject.of_component(registry.find(kind, name), {})
    assert not [r for check in quick if (r := look_at(check, subject)).verdict == "broken"]


ALONE = """
import json, sys
from seqlab.testing.other_process import import_and_compare

print(json.dumps({name: import_and_compare({"module": name}) for name in sys.argv[1:]}))
"""


def test_the_import_of_a_built_in_plugin_is_not_noticed():
    plugins = seqlab.load_plugins(local=False).plugins
    names = sorted({plugin.components[0].factory.__module__ for plugin in plugins})
    output = subprocess.run(
        [sys.executable, "-c", ALONE, *names], capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(output) == {name: [] for name in names}


# -- subjects


def test_an_option_that_is_not_there_is_a_mistake_of_use():
    with pytest.raises(UsageError, match="has no option 'sise' \\(its options: size, path\\)"):
        Subject.of("cell", Good, {"sise": 3})


def test_an_option_of_the_wrong_type_is_a_mistake_of_use():
    with pytest.raises(UsageError, match="valid integer"):
        Subject.of("cell", Good, {"size": "3"})


def test_an_unknown_kind_is_a_mistake_of_use():
    with pytest.raises(UsageError, match="unknown kind 'cel'; there are corpus, tokenizer"):
        Subject.of("cel", Good, {})


@pytest.mark.parametrize(("kind", "made"), [("cell", nn.Identity()), ("decoder", object())])
def test_an_object_is_no_factory(kind, made):
    with pytest.raises(UsageError, match="is an object, not a class or function: give what makes"):
        Subject.of(kind, made, {})


def test_a_factory_may_be_a_partial_or_an_object_that_is_called_as_one():
    class Factory:
        def __call__(self, input_size: int) -> nn.Module:
            return nn.Linear(input_size, 3)

    for factory in (partial(Good, path=Path("x")), Factory()):
        assert Subject.of("cell", factory, {}).build(3)


def test_what_must_be_given_and_is_not_leaves_a_check_without_an_answer():
    with pytest.raises(NotApplicable, match="option 'path' has no default; give it a value"):
        Subject.of("cell", Good, {}).build(3)


# -- ways to run the checks


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_checks_of_its_own_and_a_function_for_all(kind):
    assert len(checks_of(kind)) > len(CHECKS)
    assert callable(getattr(seqlab.testing, f"check_{kind}"))
    assert all(check.__doc__ for check in checks_of(kind))


def test_check_cell_names_all_that_is_broken_at_once():
    with pytest.raises(Broken) as caught:
        seqlab.testing.check_cell(Undocumented)
    message = str(caught.value)
    assert "expected cell 'Undocumented' to keep all" in message
    assert "summary_says_what_it_is" in message
    assert "output_size_is_true" in message


def test_check_cell_has_a_line_for_each_broken_promise():
    with pytest.raises(Broken) as caught:
        seqlab.testing.check_cell(Undocumented)
    first, *broken = str(caught.value).splitlines()
    assert first.endswith(f"seen: {len(broken)} broken")
    names = {check.__name__ for check in checks_of("cell")}
    assert {line.partition(": ")[0] for line in broken} <= names
    assert all("; why: docs/conformance.md#" in line for line in broken)


@pytest.mark.parametrize("component", ["factory", '"constant"'])
def test_pytest_runs_one_test_for_each_promise(component, pytester):
    pytester.makepyfile(f"""
        import pytest
        from seqlab_plugins.schedules import seqlab_register_schedules

        factory = seqlab_register_schedules()["constant"]

        @pytest.mark.seqlab("schedule", {component})
        def test_it(seqlab_check):
            seqlab_check()
    """)
    result = pytester.runpytest_inprocess("-p", "no:xdist", "-p", "no:randomly")
    result.assert_outcomes(passed=len(checks_of("schedule")))


def test_pytest_says_which_promise_is_broken(pytester):
    pytester.makepyfile("""
        import pytest
        from torch import nn

        class Bad(nn.RNN):
            def __init__(self, input_size):
                super().__init__(input_size, 4, batch_first=True)
                self.output_size = 4

        @pytest.mark.seqlab("cell", Bad)
        def test_it(seqlab_check):
            seqlab_check()
    """)
    result = pytester.runpytest_inprocess("-p", "no:xdist", "-k", "state_has or output_size")
    result.stdout.fnmatch_lines(["*FAILED*Bad-state_has_the_batch_first*"])
    assert result.ret == 1


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("", "needs seqlab(kind, component, **options)"),
        ('@pytest.mark.seqlab("cell")', "seqlab(kind, component, **options)"),
        ('@pytest.mark.seqlab("cell", "nobody")', "unknown cell 'nobody'"),
    ],
)
def test_pytest_explains_a_marker_that_it_cannot_use(marker, message, pytester):
    pytester.makepyfile(f"import pytest\n\n{marker}\ndef test_it(seqlab_check):\n    pass\n")
    result = pytester.runpytest_inprocess("-p", "no:xdist")
    assert message in result.stdout.str() + result.stderr.str()
    assert result.ret != 0


def test_a_process_that_gives_no_answer_in_time_breaks_no_promise(registry, monkeypatch):
    def run(*_, **options):
        raise subprocess.TimeoutExpired("python", options["timeout"])

    monkeypatch.setattr("subprocess.run", run)
    subject = Subject.of_component(registry.find("tokenizer", "characters"), {})
    results = [look_at(check, subject) for check in checks_of("tokenizer")]
    late = [r for r in results if "gave no answer in 600 seconds" in r.message]
    assert late
    assert {r.verdict for r in late} == {"skipped"}
