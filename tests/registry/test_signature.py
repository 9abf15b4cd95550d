"""The signature is the schema: which factories can be offered, and which values they take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic_core import ValidationError
from seqlab_plugins.corpora.lengthening import Lengthening

import seqlab
from seqlab.registry.signature import read_signature

FUTURE = "from __future__ import annotations\n"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def mine(**options): pass", "takes **options: name each option"),
        ("def mine(*tokens): pass", "takes *tokens: name each parameter"),
        ("def mine(size: int): pass", "should take (*, options)"),
        ("def mine(size: int = 1): pass", "are: size (put an * before the first option)"),
        ("def mine(size, /): pass", "positional parameters are: size"),
        ("def mine(*, size=1): pass", "has an option 'size' without a type"),
        ("def mine(*, size: 'Nope'): pass", "name 'Nope' is not defined"),
        (FUTURE + "def mine(*, size: Nope = 1): pass", "name 'Nope' is not defined"),
        ("def mine(*, size: 'int['): pass", "option 'size' whose type cannot be used"),
        ("class A: pass\ndef mine(*, a: A = A()): pass", "option 'a' whose type cannot be used"),
        ("def mine(*, size: int = None): pass", "whose default None is refused by its own type"),
        ("def mine(*, size: int = '3'): pass", "whose default '3' is refused by its own type"),
        ("def mine(*, size: int = True): pass", "whose default True is refused by its own type"),
        ("def mine(*, size: int = 1.0): pass", "whose default 1.0 is refused by its own type"),
        ("def mine(*, name: str = ''): pass", "has an option 'name': seqlab itself reads that key"),
        ("mine = 3", "is of type int, not a class or function"),
        ("mine = 'mine'", "is of type str, not a class or function"),
        ("mine = dict", "has no signature that can be read"),
    ],
)
def test_a_factory_that_seqlab_cannot_call_is_refused_with_the_reason(offer, source, reason):
    (problem,) = offer(source).problems()
    assert "decoder 'mine' " in problem
    assert reason in problem


def test_a_default_out_of_its_own_bounds_is_refused(offer):
    bounded = "from typing import Annotated as A\nfrom pydantic import Field as F\n"
    (problem,) = offer(bounded + "def mine(*, size: A[int, F(gt=0)] = 0): pass").problems()
    assert "whose default 0 is refused by its own type: " in problem
    assert "greater than 0" in problem


@pytest.mark.parametrize(
    ("kind", "parameters", "reason"),
    [
        (
            "cell",
            "*, size: int = 1",
            "(input_size, *, options), but its positional parameters are:",
        ),
        ("cell", "size", "should take (input_size, *, options)"),
        ("cell", "input_size, size: int = 1", "put an * before the first option"),
        ("cell", "*, input_size: int", "should take (input_size, *, options)"),
        ("sampler", "seed, tokens", "should take (tokens, seed, *, options)"),
        ("sampler", "tokens", "should take (tokens, seed, *, options)"),
        ("schedule", "optimizer", "should take (optimizer, total_steps, *, options)"),
        ("optimizer", "params", "should take (parameters, *, options)"),
        ("optimizer", "parameters, *, clip_norm: float = 1", "seqlab itself reads that key"),
        ("corpus", "*, max_characters: int = 1", "seqlab itself reads that key"),
        ("corpus", "*, if_unavailable: str = ''", "seqlab itself reads that key"),
        ("observer", "record", "should take (*, options)"),
    ],
)
def test_each_kind_is_given_its_own_parameters(offer, kind, parameters, reason):
    (problem,) = offer(f"def mine({parameters}): pass", kind).problems()
    assert f"{kind} 'mine' " in problem
    assert reason in problem


@pytest.mark.parametrize(
    "source",
    [
        "def mine(): pass",
        "mine = lambda: None",
        "class mine: pass",
        "class mine:\n    def __init__(self, *, size: int = 1): pass",
        "class mine:\n    def __new__(cls, *, size: int = 1): pass",
        "class Base:\n    def __init__(self, *, size: int = 1): pass\nclass mine(Base): pass",
        "from torch import nn\nclass mine(nn.Module):\n    def __init__(self, *, size: int): pass",
        "from seqlab import Decoder\nclass mine(Decoder): pass",
        "from dataclasses import dataclass\n@dataclass(kw_only=True)\nclass mine:\n size: int = 1",
        "class Make:\n    def __call__(self, *, size: int = 1): pass\nmine = Make()",
        "class Make:\n    @classmethod\n    def one(cls, *, size: int): pass\nmine = Make.one",
        "from functools import partial\ndef one(a, *, size: int): pass\nmine = partial(one, 1)",
        "import functools\ndef one(*, size: int): pass\n"
        "@functools.wraps(one)\ndef mine(*args, **options): pass",
    ],
)
@pytest.mark.parametrize("future", ["", FUTURE], ids=["now", "future"])
def test_a_factory_may_be_anything_that_has_a_signature(offer, source, future):
    registry = offer(future + source)
    assert list(registry.problems()) == []
    assert set(registry.find("decoder", "mine").signature.options) <= {"size"}


def test_a_partial_is_read_where_its_function_was_written(offer):
    source = "from functools import partial\nfrom pathlib import Path\n"
    source += "def one(*, path: Path, size: int = 1): pass\nmine = partial(one, size=2)"
    assert list(offer(FUTURE + source).problems()) == []


GOOGLE = "Sum.\n\n    Args:\n        size: how many\n            of them.\n"
NUMPY = (
    "Sum.\n\n    Parameters\n    ----------\n    size : int\n        how many\n        of them.\n"
)
SPHINX = "Sum.\n\n    :param size: how many\n        of them.\n"


@pytest.mark.parametrize("doc", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
@pytest.mark.parametrize("where", ["class", "init", "function"])
def test_help_comes_from_the_docstring_in_any_of_three_styles(offer, doc, where):
    init = "    def __init__(self, *, size: int = 1):"
    source = {
        "class": f'class mine:\n    """{doc}    """\n{init} pass',
        "init": f'class mine:\n    "Sum."\n{init}\n        """{doc}        """',
        "function": f'def mine(*, size: int = 1):\n    """{doc}    """',
    }[where]
    signature = offer(source).find("decoder", "mine").signature
    assert (signature.summary, signature.options["size"].help) == ("Sum.", "how many of them.")


def test_an_option_without_help_has_an_empty_one(offer):
    signature = offer('def mine(*, size: int):\n    ":param"').find("decoder", "mine").signature
    assert signature.options["size"].help == ""


TYPES = {
    "integer": "int",
    "number": "float",
    "text": "str",
    "switch": "bool",
    "path": "Path",
    "paths": "list[Path]",
    "maybe": "int | None",
    "pair": "tuple[int, float]",
    "many": "tuple[int, ...]",
    "choice": "Literal['a', 'b']",
    "count": "Annotated[int, Field(gt=0, le=9)]",
    "sizes": "list[int]",
    "table": "dict[str, int]",
    "either": "int | str",
    "level": "Level",
    "spot": "Spot",
    "spots": "list[Spot]",
}
IMPORTS = """\
from __future__ import annotations
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from pydantic import Field
from seqlab import hookimpl

class Level(enum.Enum):
    LOW = "low"

@dataclass
class Spot:
    x: int
    y: float = 0.0

@hookimpl
def seqlab_register_decoders():
    return {name: globals()[name] for name in NAMES}
"""


@pytest.fixture(scope="module")
def typed(load_file) -> seqlab.Registry:
    """One decoder for each type, called like it, with one option: `value`."""
    factories = "".join(f"def {name}(*, value: {type_}): pass\n" for name, type_ in TYPES.items())
    return load_file(f"{IMPORTS}NAMES = {[*TYPES]}\n{factories}")


@pytest.mark.parametrize(
    ("type_", "value", "taken"),
    [
        ("integer", -3, -3),
        ("integer", 10**30, 10**30),
        ("number", 1, 1.0),
        ("number", 1e-3, 1e-3),
        ("number", math.inf, math.inf),
        ("text", "1e-3", "1e-3"),
        ("text", "", ""),
        ("switch", False, False),
        ("path", "/x/y", Path("/x/y")),
        ("paths", ["/x", "/y"], [Path("/x"), Path("/y")]),
        ("maybe", None, None),
        ("maybe", 1, 1),
        ("pair", [1, 2], (1, 2.0)),
        ("many", [], ()),
        ("many", [1, 2, 3], (1, 2, 3)),
        ("choice", "b", "b"),
        ("count", 9, 9),
        ("sizes", [1], [1]),
        ("table", {"a": 1}, {"a": 1}),
        ("either", "1", "1"),
        ("either", 1, 1),
    ],
)
def test_a_value_of_the_annotated_type_is_passed_on(resolved, typed, type_, value, taken):
    result = resolved(typed, decoder={"name": type_, "value": value}).decoder.options["value"]
    assert (type(result), result) == (type(taken), taken)


def test_an_option_may_be_an_enum_or_a_dataclass(resolved, typed):
    level = resolved(typed, decoder={"name": "level", "value": "low"}).decoder.options["value"]
    spot = resolved(typed, decoder={"name": "spot", "value": {"x": 1}}).decoder.options["value"]
    assert (level.name, spot.x, spot.y) == ("LOW", 1, 0.0)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        *(("integer", value) for value in ("256", True, 1.0, 1.5, None, [1], {"a": 1}, math.nan)),
        *(("number", value) for value in ("1e-3", True, None, [1.0])),
        *(("text", value) for value in (1, 1.5, True, None, ["a"])),
        *(("switch", value) for value in (0, 1, "true", "no", None)),
        *(("path", value) for value in (3, True, None, ["x"])),
        *(("paths", value) for value in ("x", [3], [None], {"a": "x"})),
        *(("maybe", value) for value in ("1", 1.0, False, "null")),
        *(("pair", value) for value in ([1], [1, 2, 3], [1.0, 2], [True, 2], "ab", 1)),
        *(("many", value) for value in (1, ["1"], [1, True])),
        *(("choice", value) for value in ("c", "A", "", 1, None, ["a"])),
        *(("count", value) for value in (0, 10, -1, 1.0, True, 10**400)),
        *(("sizes", value) for value in (1, "12", [1.0], [[1]])),
        *(("table", value) for value in ([1], {"a": "1"}, {"a": None})),
        *(("either", value) for value in (True, 1.5, None)),
        *(("level", value) for value in ("LOW", "high", 0, None)),
        *(("spot", value) for value in ({}, {"x": "1"}, {"x": 1, "y": True}, [1], 1)),
    ],
)
def test_a_value_of_another_type_is_refused_and_never_converted(refused, typed, type_, value):
    error = refused(typed, decoder={"name": type_, "value": value})
    assert all(complaint.key.startswith("decoder.value") for complaint in error.complaints)


def test_fields_that_a_dataclass_inherits_are_options_with_the_type_and_help_of_their_class():
    """Their types are names of another module, as `Symbols` is no name of this one."""

    @dataclass(kw_only=True, eq=False)
    class Task(Lengthening):
        """A task.

        Args:
            share: of what.
        """

        share: float = 0.5

        def drawn(self, chance, symbols):
            raise NotImplementedError

    options = read_signature(Task).options
    assert options["symbols"].help == "in a sequence of `train`, `valid` and `test`."
    assert options["share"].help == "of what."
    assert options["longer"].default == [2, 4, 8, 16]
    with pytest.raises(ValidationError):
        options["symbols"].check(0)
