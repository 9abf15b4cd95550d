"""What the registry asks of each kind is what the kind promises."""

from __future__ import annotations

import pytest

from seqlab import contracts
from seqlab.registry.kinds import KINDS


@pytest.mark.parametrize(
    ("kind", "forms"),
    [
        ("corpus", [contracts.Corpus]),
        ("tokenizer", [contracts.Tokenizer]),
        ("sampler", [contracts.Sampler]),
        ("decoder", [contracts.Decoder, contracts.SearchDecoder]),
    ],
)
def test_every_method_of_a_promise_is_asked_for_when_a_part_is_built(kind, forms):
    asked = [set(form) for form in KINDS[kind].methods]
    assert asked == [_methods(form) for form in forms]


def _methods(promise: type) -> set[str]:
    own = {name for name, value in vars(promise).items() if callable(value)}
    return {name for name in own if name == "__len__" or not name.startswith("_")}
