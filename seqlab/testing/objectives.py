"""What an objective promises. Shapes: B rows, T window, O size of hidden outputs, V vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.contracts import Batch, State, Terms, Window, offered
from seqlab.model.signature import takes_state
from seqlab.model.state import leaves, map_state
from seqlab.testing.default_device import expect_nothing_elsewhere
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone
from seqlab.testing.vocabularies import SIZE, letters

ROWS, WINDOW, HIDDEN, CLOSE = 4, 23, 8, 1e-4


def _build(subject: Subject) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return subject.build(vocabulary=letters(), hidden_size=HIDDEN)


def _head() -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Linear(HIDDEN, SIZE)


def _generator(seed: int = 2) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _batch(rows: int = ROWS) -> Batch:
    """Windows of letters; half of the targets of the last row do not count."""
    ids = torch.randint(SIZE, (rows, WINDOW + 1), generator=_generator())
    weights = torch.ones(rows, WINDOW)
    weights[-1, WINDOW // 2 :] = 0
    return Batch(ids[:, :-1], ids[:, 1:], torch.zeros(rows, dtype=torch.bool), weights)


def _uniform(batch: Batch) -> Tensor:
    return torch.rand(batch.inputs.shape, generator=_generator(3))


def _window(objective: Any, batch: Batch) -> Window:
    prepare = offered(objective, "prepare")
    made = batch if prepare is None else prepare(batch, _uniform(batch))
    weights = torch.ones(batch.inputs.shape) if made.weights is None else made.weights
    return Window(made.inputs, made.targets, made.weights, weights / weights.sum().clamp(min=1e-12))


def _hidden(rows: int = ROWS) -> Tensor:
    return torch.randn(rows, WINDOW, HIDDEN, generator=_generator(4))


def _terms(
    objective: Any, hidden: Tensor, window: Window, state: State | None = None
) -> tuple[Terms, State]:
    """Return what it makes of a window, drawing what it may draw by one seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return _called(objective, hidden, window, state)


def _called(
    objective: Any, hidden: Tensor, window: Window, state: State | None = None
) -> tuple[Terms, State]:
    if takes_state(objective.loss, 3):
        terms, after = objective.loss(hidden, _head(), window, state)
        return terms, after
    return objective.loss(hidden, _head(), window), ()


def _loss(objective: Any) -> Terms:
    return _terms(objective, _hidden(), _window(objective, _batch()))[0]


def _both(objective: Any) -> Iterator[tuple[str, Terms]]:
    """What it makes of a window in training, and in an evaluation where that differs."""
    yield "loss", _loss(objective)
    score = offered(objective, "score")
    if score is not None:
        yield "score", score(_hidden(), _head(), _window(objective, _batch()))


def loss_is_what_it_says(subject: Subject) -> None:
    """`loss` gives `seqlab.Terms` of the right shapes, with as many parts as it declares."""
    objective = _build(subject)
    parts = tuple(offered(objective, "parts") or ())
    predicts = offered(objective, "predicts_next") is not False
    for name, terms in _both(objective):
        expect(isinstance(terms, Terms), f"seqlab.Terms of `{name}`", type(terms).__name__)
        expect(len(terms.parts) == len(parts), f"a part for each of {parts}", len(terms.parts))
        sums = (terms.loss, *terms.parts)
        shapes = [tuple(t.shape) for t in sums]
        expect(not any(shapes), f"sums of no dimension of `{name}`", shapes)
        nats = terms.nats is not None
        expect(nats == predicts, "nats of the next token, or `predicts_next = False`", terms.nats)
        for of, value in (("nats", terms.nats), ("right", terms.right)):
            _expect_one_a_target(of, value)
    sums = (_loss(objective).loss, *_loss(objective).parts)
    expect(bool(torch.stack(sums).isfinite().all()), "finite sums", sums)


def _expect_one_a_target(of: str, value: Tensor | None) -> None:
    if value is not None:
        shape, wanted = tuple(value.shape), (ROWS, WINDOW)
        expect(shape == wanted, f"{of} of the shape {wanted}", shape)
        expect(not value.requires_grad, f"{of} without a gradient", "they have one")


def nats_are_those_of_the_next_token(subject: Subject) -> None:
    """What is reported as the loss is -ln p(target) of the head, whatever is minimised."""
    objective = _build(subject)
    if offered(objective, "predicts_next") is False:
        raise NotApplicable("it does not predict the next token")
    window = _window(objective, _batch())
    logits = _head()(_hidden()).log_softmax(-1)
    right = -logits.gather(-1, window.targets.unsqueeze(-1)).squeeze(-1)
    for name, terms in _both(objective):
        same = terms.nats is not None and torch.allclose(terms.nats, right, atol=CLOSE)
        expect(same, f"nats of the head's logits from `{name}`", "others")


def shares_decide_what_counts(subject: Subject) -> None:
    """Targets whose share is 0 change nothing, and twice the shares are twice the loss."""
    objective = _build(subject)
    window, hidden = _window(objective, _batch()), _hidden()
    terms = _terms(objective, hidden, window)[0]
    shares = torch.as_tensor(window.shares) * 2
    doubled = _terms(objective, hidden, window._replace(shares=shares))[0]
    close = torch.allclose(doubled.loss, 2 * terms.loss, rtol=CLOSE, atol=CLOSE)
    expect(close, "twice the shares to be twice the loss", f"{doubled.loss} and {terms.loss}")
    other = hidden.clone()
    other[-1, WINDOW // 2 + 1 :] += 1.0
    after = _terms(objective, other, window)[0]
    same = torch.allclose(after.loss, terms.loss, rtol=CLOSE, atol=CLOSE)
    expect(same, "targets without a share to change nothing", f"{after.loss}, not {terms.loss}")


def windows_of_any_size_weigh_alike(subject: Subject) -> None:
    """A batch that comes twice, each time with half of the shares, has the loss of one.

    What compares rows may differ a little, by a quarter at most, and has the rows twice in the
    order that it compares: all of them again, or each beside itself.
    """
    objective = _build(subject)
    window, hidden = _window(objective, _batch()), _hidden()
    halved = window._replace(shares=torch.as_tensor(window.shares) / 2)
    one = _terms(objective, hidden, window)[0].loss
    rows = torch.arange(ROWS)
    twice = [_of_rows(objective, hidden, halved, r) for r in (rows.repeat(2), _beside(rows))]
    alike = any(bool((one - two).abs() <= one.abs() / 4 + CLOSE) for two in twice)
    seen = f"{twice[0]}, not {one}"
    expect(alike, "the loss to be a sum over shares, of any number of targets", seen)


def _beside(rows: Tensor) -> Tensor:
    return rows.repeat_interleave(2)


def _of_rows(objective: Any, hidden: Tensor, window: Window, rows: Tensor) -> Tensor:
    """The loss of chosen rows of a window, each with its shares."""
    parts = [None if part is None else part[rows] for part in window]  # type: ignore[index] # its shares are a tensor here
    return _terms(objective, hidden[rows], Window(*parts))[0].loss  # type: ignore[arg-type] # weights alone may be None


def loss_reaches_the_model(subject: Subject) -> None:
    """The loss has a gradient for the hidden outputs and for parameters of its own."""
    objective = _build(subject)
    hidden = _hidden().requires_grad_()
    loss = _terms(objective, hidden, _window(objective, _batch()))[0].loss
    module = isinstance(objective, nn.Module)
    own = dict(objective.named_parameters()) if module else {}
    wanted = {"the hidden outputs": hidden, **{n: p for n, p in own.items() if p.requires_grad}}
    expect(loss.requires_grad, "a loss with a gradient", "it has none")
    gradients = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
    dead = [n for n, g in zip(wanted, gradients, strict=True) if g is None or not g.any()]
    expect(not dead, "a gradient for everything that is trained", f"none for {', '.join(dead)}")


def prepare_is_pure(subject: Subject) -> None:
    """`prepare` follows from the batch and `uniform` alone, row by row, and changes no argument."""
    objective = _build(subject)
    prepare = offered(objective, "prepare")
    if prepare is None:
        raise NotApplicable("it has no `prepare`")
    batch = _batch()
    uniform, kept = _uniform(batch), [t.clone() for t in batch if t is not None]
    with random_states_left_alone():
        once, again = (prepare(batch, uniform) for _ in range(2))
    expect(_same(once, again), "the same batch from the same arguments", "another")
    untouched = all(map(torch.equal, kept, [t for t in batch if t is not None]))
    expect(untouched, "the batch that it is given to stay as it is", "it was changed")
    one = slice(1, 2)
    row = Batch(*(None if t is None else t[one] for t in batch))  # type: ignore[arg-type] # weights alone may be None
    alone = prepare(row, uniform[one])
    part = Batch(*(None if t is None else t[one] for t in once))  # type: ignore[arg-type] # as above
    expect(_same(alone, part), "a row alone to be prepared alike", "otherwise")


def _same(one: Batch, other: Batch) -> bool:
    pairs = zip(one, other, strict=True)
    return all(
        (a is b) or (a is not None and b is not None and torch.equal(a, b)) for a, b in pairs
    )


def objective_draws_by_torchs_seed(subject: Subject) -> None:
    """Under one seed a loss is the same, to the bit, and no seed is set."""
    objective = _build(subject)
    window, hidden, losses = _window(objective, _batch()), _hidden(), []
    with torch.random.fork_rng(devices=[]):
        for _ in range(2):
            torch.manual_seed(7)
            losses.append(_called(objective, hidden, window)[0].loss)
        expect(torch.initial_seed() == 7, "no seed to be set", torch.initial_seed())
    expect(torch.equal(*losses), "one seed to give one loss", losses)
    score = offered(objective, "score")
    if score is not None:
        with random_states_left_alone():
            score(hidden, _head(), window)


def penalties_have_names(subject: Subject) -> None:
    """`penalties` gives numbers by `penalty_names`, means that do not grow with the window."""
    objective = _build(subject)
    penalties = offered(objective, "penalties")
    if penalties is None:
        raise NotApplicable("it has no `penalties`, and need not have them")
    names = offered(objective, "penalty_names")
    expect(isinstance(names, tuple) and bool(names), "a tuple of `penalty_names`", names)
    one, two = _hidden(), torch.cat((_hidden(), _hidden()))
    for outputs in (one, two, one[:, :1]):
        added = penalties(outputs, outputs)
        expect(tuple(added) == names, f"a number for each of {names}", tuple(added))
        finite = all(t.dim() == 0 and bool(t.isfinite()) for t in added.values())
        expect(finite, "finite numbers of no dimension", added)
    once, twice = penalties(one, one), penalties(two, two)
    same = all(torch.allclose(once[name], twice[name], atol=CLOSE) for name in names)
    expect(same, "the same of a batch and of the batch twice", f"{once} and {twice}")


def objective_follows_the_device(subject: Subject) -> None:
    """Tensors are made on the device of the hidden outputs, and those that are kept are buffers."""
    batch, hidden, head = _batch(), _hidden(), _head()
    uniform, shares = _uniform(batch), torch.full(batch.inputs.shape, 0.01)

    def results(objective: Any) -> list[Tensor | None]:
        prepare = offered(objective, "prepare")
        made = batch if prepare is None else prepare(batch, uniform)
        window = Window(made.inputs, made.targets, made.weights, shares)
        if takes_state(objective.loss, 3):
            terms, after = objective.loss(hidden, head, window, None)
        else:
            terms, after = objective.loss(hidden, head, window), ()
        return [*made, terms.loss, terms.nats, *terms.parts, *leaves(after)]

    expect_nothing_elsewhere(partial(_build, subject), results)


def objective_state_keeps_the_rules(subject: Subject) -> None:
    """The rows of the batch are first in every tensor of a state, and zeros are a fresh row."""
    objective = _build(subject)
    if not takes_state(objective.loss, 3):
        raise NotApplicable("it carries no state")
    window = _window(objective, _batch())
    fresh, state = _terms(objective, _hidden(), window)
    sizes = {len(part) for part in leaves(state)}
    expect(sizes <= {ROWS}, f"{ROWS} rows first in every tensor of the state", sizes)
    again = _terms(objective, _hidden(), window, map_state(torch.zeros_like, state))[0]
    same = torch.allclose(again.loss, fresh.loss, atol=CLOSE)
    expect(same, "a state of zeros to be a fresh one", f"{again.loss}, not {fresh.loss}")


def parameters_survive_saving(subject: Subject) -> None:
    """Another objective that loads the `state_dict` has the same loss, to the bit."""
    objective = _build(subject)
    if not isinstance(objective, nn.Module):
        raise NotApplicable("it is no module, and has nothing to save")
    loaded = subject.build(vocabulary=letters(), hidden_size=HIDDEN)
    loaded.load_state_dict({name: t.clone() for name, t in objective.state_dict().items()})
    same = torch.equal(_loss(loaded).loss, _loss(objective).loss)
    expect(same, "loaded parameters to give the same loss, to the bit", "another")
