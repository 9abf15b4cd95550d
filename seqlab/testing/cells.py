"""What a cell promises. Shapes: B rows, T window, I input size, O output size."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from seqlab.contracts import State
from seqlab.model.state import carry, map_state, settle
from seqlab.testing.promises import Check, NotApplicable, Subject, expect
from seqlab.testing.surroundings import random_states
from seqlab.training.packing import pack, unpack

ROWS, WINDOW, SIZE = 3, 9, 8
CLOSE = 1e-5
TWICE = 2  # a fresh state may hide a weight, so gradients are looked at behind a carried one

Result = tuple[Tensor, State]


def _cell(subject: Subject, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cell = subject.build(SIZE)
    expect(isinstance(cell, nn.Module), "an nn.Module", type(cell).__name__)
    return cell.to(dtype).eval()


def _inputs(
    rows: int = ROWS, window: int = WINDOW, *, dtype: torch.dtype = torch.float32, seed: int = 1
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, window, SIZE, generator=generator, dtype=torch.float64).to(dtype)


def leaves(state: State) -> list[Tensor]:
    """Every tensor of a state, in order."""
    found: list[Tensor] = []
    map_state(lambda tensor: found.append(tensor) or tensor, state)  # type: ignore[func-returns-value] # append returns None, so the tensor it is
    return found


def _carried(cell: Any, inputs: Tensor) -> State:
    """A state that is not fresh, as the loop carries it."""
    with torch.no_grad():
        return settle(cell(inputs, None)[1], inputs.dtype)


def _distance(one: Tensor, other: Tensor) -> float:
    if one.shape != other.shape:
        return float("inf")
    return float((one.double() - other.double()).abs().max()) if one.numel() else 0.0


def _same(found: Result, wanted: Result, promise: str, *, close: float = CLOSE) -> None:
    """Compare outputs and every tensor of the state."""
    outputs = _distance(found[0], wanted[0])
    expect(outputs <= close, f"{promise}: outputs", f"they differ by {outputs:.1e}")
    pairs = zip(leaves(found[1]), leaves(wanted[1]), strict=True)
    states = max((_distance(one, other) for one, other in pairs), default=0.0)
    expect(states <= close, f"{promise}: the state after", f"it differs by {states:.1e}")


@torch.no_grad()
def output_size_is_true(subject: Subject) -> None:
    """Outputs are (B, T, `output_size`), for the B and T of the inputs."""
    cell = _cell(subject)
    declared = getattr(cell, "output_size", None)
    expect(type(declared) is int, "an integer `output_size`", declared)
    outputs, _ = cell(_inputs(), None)
    wanted = (ROWS, WINDOW, declared)
    expect(tuple(outputs.shape) == wanted, f"outputs of shape {wanted}", tuple(outputs.shape))


@torch.no_grad()
def one_row_and_one_token_are_enough(subject: Subject) -> None:
    """A batch of one row and a window of one token work, with and without a state."""
    cell = _cell(subject)
    for rows, window in ((1, 1), (1, WINDOW), (ROWS, 1)):
        inputs = _inputs(rows, window)
        for state in (None, _carried(cell, inputs)):
            shape = tuple(cell(inputs, state)[0].shape[:2])
            expect(shape == (rows, window), f"outputs for {(rows, window)}", shape)


@torch.no_grad()
def window_equals_its_steps(subject: Subject) -> None:
    """A window gives what its tokens give one by one: outputs and state, within 1e-5."""
    cell, inputs = _cell(subject), _inputs()
    for before in (None, _carried(cell, _inputs(seed=2))):
        outputs, state = [], before
        for one in torch.split(inputs, 1, dim=1):
            output, state = cell(one, state)
            outputs.append(output)
        assert state is not None  # noqa: S101 # a window has tokens
        stepped = torch.cat(outputs, 1), state
        _same(cell(inputs, before), stepped, "a window to equal its steps")


@torch.no_grad()
def two_windows_equal_a_long_one(subject: Subject) -> None:
    """Two windows with the state carried over give what one long window gives."""
    cell, inputs = _cell(subject), _inputs()
    for cut in (1, WINDOW // 2, WINDOW - 1):
        first, between = cell(inputs[:, :cut], None)
        second, after = cell(inputs[:, cut:], between)
        halves = torch.cat((first, second), 1), after
        _same(halves, cell(inputs, None), f"windows cut after token {cut} to equal the whole")


@torch.no_grad()
def rows_do_not_mix(subject: Subject) -> None:
    """What a row gives does not depend on the other rows."""
    cell, inputs, state = _cell(subject), _inputs(), _carried(_cell(subject), _inputs(seed=2))
    together = cell(inputs, state)
    for row in range(ROWS):
        alone = cell(inputs[row : row + 1], map_state(lambda t, r=row: t[r : r + 1], state))  # type: ignore[misc] # r is bound at once
        part = together[0][row : row + 1], map_state(lambda t, r=row: t[r : r + 1], together[1])  # type: ignore[misc]
        _same(part, alone, f"row {row} among others to equal the row alone")


@torch.no_grad()
def later_inputs_change_nothing_earlier(subject: Subject) -> None:
    """The cell is causal: an input changes no output before it."""
    cell, inputs = _cell(subject), _inputs()
    whole, _ = cell(inputs, None)
    for place in range(1, WINDOW):
        changed = inputs.clone()
        changed[:, place:] = 3.0 - changed[:, place:]
        found = _distance(cell(changed, None)[0][:, :place], whole[:, :place])
        said = f"those before token {place} changed by {found:.1e}"
        expect(found <= CLOSE, "outputs that no later input changes", said)


@torch.no_grad()
def state_has_the_batch_first(subject: Subject) -> None:
    """A state is a tensor or a tuple of such; the first dimension of each tensor is the batch."""
    cell = _cell(subject)
    for rows in (1, ROWS):
        for part in _parts(cell(_inputs(rows), None)[1]):
            expect(isinstance(part, Tensor), "tensors and tuples", type(part).__name__)
            shape = tuple(part.shape)
            expect(shape[:1] == (rows,), f"{rows} rows first in each tensor of the state", shape)


def _parts(state: Any) -> Iterator[Any]:
    if isinstance(state, tuple):
        for part in state:
            yield from _parts(part)
    else:
        yield state


@torch.no_grad()
def state_keeps_its_shapes(subject: Subject) -> None:
    """Shapes and types of a state do not depend on the window, nor on what came before."""
    cell, state = _cell(subject), None
    forms = set()
    for window in (1, 2, WINDOW, 1):
        state = cell(_inputs(window=window), state)[1]
        forms.add(str([(tuple(part.shape), part.dtype) for part in leaves(state)]))
    expect(len(forms) == 1, "one form of the state after any window", forms)


@torch.no_grad()
def row_of_zeros_is_a_fresh_row(subject: Subject) -> None:
    """A row whose state is zeros gives what a row without a state gives, among others too."""
    cell, inputs = _cell(subject), _inputs()
    carried = _carried(cell, _inputs(seed=2))
    zeros = map_state(torch.zeros_like, carried)
    _same(cell(inputs, zeros), cell(inputs, None), "a state of zeros to equal none")
    for row in range(ROWS):
        mixed = carry(carried, torch.arange(ROWS) != row)
        found = cell(inputs, mixed)[0][row : row + 1]
        distance = _distance(found, cell(inputs[row : row + 1], None)[0])
        said = f"row {row} differs by {distance:.1e}"
        expect(distance <= CLOSE, "a row of zeros among others to be a fresh row", said)


@torch.no_grad()
def state_survives_saving(subject: Subject) -> None:
    """A state that was detached, saved and loaded goes on as it was, to the bit."""
    cell, inputs = _cell(subject), _inputs()
    state = _carried(cell, _inputs(seed=2))
    tensors: dict[str, Tensor] = {}
    packed = pack(state, "state", tensors)
    copies = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
    loaded = cell(inputs, unpack(packed, copies))
    _same(loaded, cell(inputs, state), "a loaded state to go on as the saved one", close=0.0)


@torch.no_grad()
def inputs_are_left_alone(subject: Subject) -> None:
    """Neither the inputs nor the state that were given are changed in place."""
    cell, inputs = _cell(subject), _inputs()
    state = _carried(cell, _inputs(seed=2))
    before = inputs.clone(), map_state(torch.clone, state)
    cell(inputs, state)
    _same((inputs, state), before, "inputs and state to be left as they were given", close=0.0)


@torch.no_grad()
def nothing_is_remembered_outside_the_state(subject: Subject) -> None:
    """The same inputs and state give the same, whatever the cell was called with between."""
    cell, inputs = _cell(subject), _inputs()
    first = cell(inputs, None)
    cell(_inputs(seed=3), first[1])
    _same(cell(inputs, None), first, "the same inputs to give the same", close=0.0)


@torch.no_grad()
def from_ids_equals_one_hots(subject: Subject) -> None:
    """`from_ids`, where a cell offers it, gives what one-hot vectors give."""
    cell = _cell(subject)
    if not hasattr(cell, "from_ids"):
        raise NotApplicable("the cell has no `from_ids`, and need not have it")
    ids = torch.randint(SIZE, (ROWS, WINDOW), generator=torch.Generator().manual_seed(4))
    one_hots = nn.functional.one_hot(ids, SIZE).float()
    for state in (None, _carried(cell, _inputs(seed=2))):
        _same(cell.from_ids(ids, state), cell(one_hots, state), "ids to equal one-hot vectors")


def gradients_reach_every_parameter(subject: Subject) -> None:
    """After two windows every parameter that is trained has a gradient that is not all zero."""
    cell, state = _cell(subject), None
    total = torch.zeros(())
    for number in range(TWICE):
        outputs, state = cell(_inputs(seed=number), state)
        weights = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(5))
        total = total + (outputs * weights).sum()
    total.backward()  # type: ignore[no-untyped-call] # torch's own
    trained = [(name, p.grad) for name, p in cell.named_parameters() if p.requires_grad]
    dead = [name for name, gradient in trained if gradient is None or not gradient.any()]
    expect(not dead, "a gradient for every parameter", f"none for {', '.join(dead)}")


def gradients_are_right(subject: Subject) -> None:
    """Gradients of outputs and state equal differences of values, in float64 (`gradcheck`)."""
    cell = _cell(subject, dtype=torch.float64)
    inputs = _inputs(2, 4, dtype=torch.float64).requires_grad_()
    before = _carried(cell, _inputs(2, 4, dtype=torch.float64, seed=2))
    names = [name for name, p in cell.named_parameters() if p.requires_grad]

    def values(given: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        outputs, after = functional_call(
            cell, dict(zip(names, weights, strict=True)), (given, before)
        )
        return outputs, *(part for part in leaves(after) if part.is_floating_point())

    weights = [dict(cell.named_parameters())[name].detach().requires_grad_() for name in names]
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            torch.autograd.gradcheck(values, (inputs, *weights), fast_mode=True, atol=1e-6)
    except torch.autograd.gradcheck.GradcheckError as error:  # type: ignore[attr-defined] # it is there
        expect(False, "gradients that equal differences of values", str(error)[:200])


@torch.no_grad()
def dtype_is_followed(subject: Subject) -> None:
    """In float64 outputs and state are float64; under bfloat16 autocast a float32 state works."""
    cell, inputs = _cell(subject, dtype=torch.float64), _inputs(dtype=torch.float64)
    outputs, state = cell(inputs, None)
    floating = [outputs, *(part for part in leaves(state) if part.is_floating_point())]
    seen = {part.dtype for part in floating}
    expect(seen == {torch.float64}, "float64 from float64", seen)
    cell = _cell(subject)
    state = _carried(cell, _inputs(seed=2))
    with torch.autocast("cpu", torch.bfloat16):
        outputs, after = cell(_inputs(), state)
    finite = all(bool(part.isfinite().all()) for part in (outputs, *leaves(after)))
    expect(finite, "finite numbers under bfloat16 autocast", "not a number, or infinity")


@torch.no_grad()
def device_is_followed(subject: Subject) -> None:
    """Tensors are made on the device of the inputs, wherever that is."""
    if torch.cuda.is_available():
        cell, inputs = _cell(subject).to("cuda"), _inputs().to("cuda")
        cell(inputs, cell(inputs, None)[1])
        return
    cell, inputs = _cell(subject).to("meta"), _inputs().to("meta")
    try:
        outputs, state = cell(inputs, None)
        cell(inputs, state)
    except (RuntimeError, NotImplementedError) as error:
        mixed = "same device" in str(error) or "cpu" in str(error)
        expect(not mixed, "tensors made on the inputs' device", str(error)[:200])
        raise NotApplicable("no second device, and its operations need values") from error
    places = {str(part.device) for part in (outputs, *leaves(state))}
    expect(places == {"meta"}, "outputs and state on the inputs' device", places)


@torch.no_grad()
def weights_survive_saving(subject: Subject) -> None:
    """Another cell that loads the `state_dict` gives the same, to the bit."""
    one, other, inputs = _cell(subject), _cell(subject, seed=9), _inputs()
    other.load_state_dict({name: t.clone() for name, t in one.state_dict().items()})
    _same(other(inputs, None), one(inputs, None), "loaded weights to give the same", close=0.0)


def seed_decides_everything(subject: Subject) -> None:
    """Under one seed cells are built alike and train alike; in evaluation there is no chance."""
    inputs = _inputs()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        trained = []
        for _ in range(TWICE):
            cell = _cell(subject).train()
            torch.manual_seed(7)
            trained.append(cell(inputs, None))
        _same(trained[0], trained[1], "one seed to give the same in training", close=0.0)
        before = random_states()
        cell.eval()(inputs, None)
        drawn = [name for name, state in random_states().items() if state != before[name]]
    expect(not drawn, "no chance in evaluation", f"it drew from {drawn}")


CHECKS: tuple[Check, ...] = (
    output_size_is_true,
    one_row_and_one_token_are_enough,
    window_equals_its_steps,
    two_windows_equal_a_long_one,
    rows_do_not_mix,
    later_inputs_change_nothing_earlier,
    state_has_the_batch_first,
    state_keeps_its_shapes,
    row_of_zeros_is_a_fresh_row,
    state_survives_saving,
    inputs_are_left_alone,
    nothing_is_remembered_outside_the_state,
    from_ids_equals_one_hots,
    gradients_reach_every_parameter,
    gradients_are_right,
    dtype_is_followed,
    device_is_followed,
    weights_survive_saving,
    seed_decides_everything,
)
