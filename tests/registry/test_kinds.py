"""A kind is one declaration; what is written beside it agrees with it."""

from __future__ import annotations

import pytest

from seqlab import hookspecs
from seqlab.experiment.kinds import KINDS
from seqlab.registry.signature import core_options
from seqlab.testing import checks_of, registration

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@every_kind
def test_its_hook_is_written_out_with_what_is_supplied(kind):
    factory = ", ".join([*kind.supplied, "*", "options"])
    assert f"({factory})" in getattr(hookspecs, kind.hook).__doc__


@every_kind
def test_it_has_checks_of_its_own(kind):
    assert any(check.__module__ != registration.__name__ for check in checks_of(kind.name))


@every_kind
def test_its_keys_have_other_names_than_what_is_supplied(kind):
    assert not {*kind.supplied} & {*core_options(kind)}
