"""One test for each promise: `@pytest.mark.seqlab(kind, component, **options)`.

pytest loads this in every environment that has seqlab, so nothing heavy is imported at the top.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from seqlab.testing.promises import Check, Subject

MARKER = (
    "seqlab(kind, component, **options): run the test once for each promise of a component, which"
    " is a factory or the name of one that is installed; the fixture seqlab_check is the check"
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test with the fixture `seqlab_check` one parameter for each check of its markers."""
    if "seqlab_check" not in metafunc.fixturenames:
        return
    markers = list(metafunc.definition.iter_markers("seqlab"))
    if not markers:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: needs {MARKER.partition(':')[0]}")
    cases = [case for marker in reversed(markers) for case in _cases(marker)]
    metafunc.parametrize("seqlab_check", cases)


def _cases(marker: pytest.Mark) -> list[Any]:
    from seqlab.testing.collection import checks_of

    try:
        kind, component = marker.args
    except ValueError:
        raise pytest.UsageError(f"@pytest.mark.{MARKER.partition(':')[0]}: {marker.args}") from None
    subject = _subject(kind, component, dict(marker.kwargs))
    return [
        pytest.param(partial(_run, check, subject), id=f"{subject.name}-{check.__name__}")
        for check in checks_of(kind)
    ]


def _subject(kind: str, component: Any, options: dict[str, Any]) -> Subject:
    from seqlab.registry import load_plugins
    from seqlab.registry.catalogue import NotFound
    from seqlab.testing.promises import Subject

    if not isinstance(component, str):
        return Subject.of(kind, component, options)
    try:
        return Subject.of_component(load_plugins().find(kind, component), options)
    except NotFound as error:
        raise pytest.UsageError(str(error)) from None


def _run(check: Check, subject: Subject) -> None:
    from seqlab.testing.promises import NotApplicable, verify

    __tracebackhide__ = True
    try:
        verify(check, subject)
    except NotApplicable as reason:
        pytest.skip(str(reason))
