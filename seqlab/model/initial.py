"""Initial weights of parameters by their names, in place of those of their modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from seqlab.experiment.model_keys import Initial, Pattern

_UNSAID: tuple[None, bool] = (None, False)
KINDS = ("range", "orthogonal", "value", "forget_bias")


class WrongInitial(ValueError):
    """An entry says not one thing, or of no parameter; `key` is what of it is wrong."""

    def __init__(self, number: int, key: str, message: str) -> None:
        super().__init__(message)
        self.number, self.key = number, key


@torch.no_grad()
def initialise(model: nn.Module, entries: Iterable[Initial]) -> None:
    """Draw the parameters that the entries match, by torch's random numbers; a later one counts.

    Raises:
        WrongInitial: an entry is wrong, or matches no parameter.
    """
    named = dict(model.named_parameters(remove_duplicate=False))  # both names of a tied weight
    for number, entry in enumerate(entries):
        kinds = [kind for kind in KINDS if not any(getattr(entry, kind) is no for no in _UNSAID)]
        if len(kinds) != 1:
            names = ", ".join(KINDS)
            raise WrongInitial(number, "", f"should have one of {names}; it has {len(kinds)}")
        chosen = _matching(named, entry.match)
        if not chosen:
            patterns = ", ".join(entry.match)
            raise WrongInitial(number, "match", f"no parameter has a name like {patterns}")
        done: set[int] = set()
        for name, parameter in chosen.items():
            if id(parameter) not in done and not _fits(kinds[0], parameter):
                raise WrongInitial(number, kinds[0], f"{name} has {_shape(parameter)}")
            if id(parameter) not in done:
                _draw(entry, parameter)
            done.add(id(parameter))


def _matching(named: Mapping[str, Tensor], patterns: list[Pattern]) -> dict[str, Tensor]:
    return {n: p for n, p in named.items() if any(fnmatchcase(n, one) for one in patterns)}


def _fits(kind: str, parameter: Tensor) -> bool:
    if kind == "orthogonal":
        return parameter.dim() > 1
    return kind != "forget_bias" or (parameter.dim() == 1 and len(parameter) % 4 == 0)


def _shape(parameter: Tensor) -> str:
    return f"the shape {tuple(parameter.shape)}, for which there is no such thing"


def _draw(entry: Initial, parameter: Tensor) -> None:
    if entry.range is not None:
        parameter.uniform_(-entry.range, entry.range)
    elif entry.value is not None:
        parameter.fill_(entry.value)
    elif entry.forget_bias is not None:
        parameter.chunk(4)[1].fill_(entry.forget_bias)
    else:
        for block in _squares(parameter):
            nn.init.orthogonal_(block)


def _squares(matrix: Tensor) -> tuple[Tensor, ...]:
    """The square matrices that lie one upon another, as those of gates do; or the whole."""
    rows, columns = len(matrix), matrix[0].numel()
    whole = rows // columns if rows % columns == 0 else 1
    return matrix.chunk(whole)
