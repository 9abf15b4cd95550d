"""What a head promises. Shapes: N tokens, O size of hidden outputs, V vocabulary size."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.contracts import offered
from seqlab.testing.default_device import expect_nothing_elsewhere
from seqlab.testing.modules import (
    Make,
    built,
    expect_dtype,
    expect_equal_after_saving,
    expect_gradients,
    expect_seeds_decide,
)
from seqlab.testing.parts import INPUT_SIZE
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.testing.vocabularies import SIZE, letters
from seqlab.training.loss import head_loss, token_nats

ROWS, WINDOW, CLOSE = 3, 29, 1e-4


def _maker(subject: Subject) -> Make:
    return partial(subject.build, INPUT_SIZE, letters())


def _hidden(dtype: torch.dtype = torch.float32, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (ROWS, WINDOW, INPUT_SIZE)
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def _targets() -> Tensor:
    return torch.randint(SIZE, (ROWS, WINDOW), generator=torch.Generator().manual_seed(2))


def _logits(head: Any) -> Tensor:
    logits: Tensor = head(_hidden())
    return logits


def logits_have_the_right_shapes(subject: Subject) -> None:
    """Hidden outputs (B, T, O) and (B, O) give a logit for every id, at any scale a finite one."""
    head = built(_maker(subject))
    for hidden in (_hidden(), _hidden()[:, 0], _hidden(scale=100.0), _hidden(scale=0.01)):
        logits = head(hidden)
        wanted = (*hidden.shape[:-1], SIZE)
        expect(tuple(logits.shape) == wanted, f"logits of the shape {wanted}", tuple(logits.shape))
        probable = logits.log_softmax(-1).exp().sum(-1)
        finite = bool(torch.isfinite(probable).all())
        expect(finite, "probabilities that are numbers", "some are not finite")


def tokens_are_independent(subject: Subject) -> None:
    """The logits of a token are those that it has alone."""
    head, hidden = built(_maker(subject)), _hidden()
    alone, whole = head(hidden[1:2, 5:6]), head(hidden)[1:2, 5:6]
    same = torch.allclose(alone, whole, atol=CLOSE)
    expect(same, "a token alone to have the same logits", "others")


def loss_is_that_of_the_logits(subject: Subject) -> None:
    """`loss` gives the nats of the logits, their weighted sum, and its gradients."""
    head, targets = built(_maker(subject)), _targets()
    if offered(head, "loss") is None and not isinstance(head, nn.Linear):
        raise NotApplicable("it has no loss of its own")
    shares = torch.rand(targets.shape, generator=torch.Generator().manual_seed(3))
    for share in (shares, 0.25):
        _compare_losses(head, targets, share)


def _compare_losses(head: Any, targets: Tensor, shares: Tensor | float) -> None:
    hidden, plain = _hidden().requires_grad_(), _hidden().requires_grad_()
    loss, nats = head_loss(head, hidden, targets, shares)
    wanted_nats = token_nats(head(plain), targets)
    wanted = (wanted_nats * shares).sum()
    same = torch.allclose(nats, wanted_nats, atol=CLOSE) and torch.allclose(loss, wanted, CLOSE)
    expect(same, "the nats of the logits, and the sum of share * nats", "others")
    parameters = [p for p in head.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, [hidden, *parameters])
    right = torch.autograd.grad(wanted, [plain, *parameters])
    close = all(map(partial(torch.allclose, atol=CLOSE), found, right))
    expect(close, "the gradients of the loss of the logits", "others")
    expect(not nats.requires_grad, "nats without a gradient", "they have one")


def head_follows_the_dtype(subject: Subject) -> None:
    """Logits have the dtype of the model."""
    expect_dtype(_maker(subject), lambda head, dtype: head(_hidden(dtype)))


def head_follows_the_device(subject: Subject) -> None:
    """Tensors are made on the device of the outputs, and those that are kept are buffers."""
    hidden, targets = _hidden(), _targets()

    def results(head: Any) -> list[Tensor]:
        return [head(hidden), *head_loss(head, hidden, targets, 0.25)]

    expect_nothing_elsewhere(partial(built, _maker(subject)), results)


class _Table(nn.Embedding):
    """A learned embedding that fits the outputs of a cell."""

    is_table, output_size = True, INPUT_SIZE


def tied_weights_are_shared(subject: Subject) -> None:
    """`tie` gives head and embedding one parameter, or raises ValueError, as without a table."""
    head = built(_maker(subject))
    tie = offered(head, "tie")
    if tie is None:
        raise NotApplicable("it has no `tie`, and need not have it")
    try:
        tie(nn.Linear(SIZE, INPUT_SIZE))
    except ValueError:
        pass
    else:
        expect(False, "ValueError for an embedding that has no table", "it was taken")
    table = _Table(SIZE, INPUT_SIZE)
    tied = tie(table) or head
    shared = {*map(id, tied.parameters())} & {*map(id, table.parameters())}
    expect(bool(shared), "a parameter that both have", "none")
    same = tied(_hidden()).shape == head(_hidden()).shape
    expect(same, "logits of the same shape from the head that `tie` gives", "others")


def gradients_reach_the_head(subject: Subject) -> None:
    """Every parameter that is trained has a gradient that is not all zero."""
    expect_gradients(_maker(subject), _logits)


def head_survives_saving(subject: Subject) -> None:
    """Another head that loads the `state_dict` gives the same, to the bit."""
    expect_equal_after_saving(_maker(subject), _logits)


def seed_decides_the_head(subject: Subject) -> None:
    """Under one seed heads are built and train alike; none draws in evaluation."""
    expect_seeds_decide(_maker(subject), _logits)
