"""A stand-in for a second device, with values and under autocast: the default device is another.

Every tensor that is made without a device counts as being elsewhere, until it is moved. An
operation that takes it together with others would fail where the inputs are on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seqlab.kernels import use_kernels
from seqlab.testing.promises import expect

FACTORIES = frozenset(
    getattr(torch, name)
    for name in (
        *("arange", "empty", "eye", "full", "linspace", "logspace", "ones", "zeros", "range"),
        *("rand", "randn", "randint", "randperm", "normal", "scalar_tensor", "tensor"),
        *("as_tensor", "tril_indices", "triu_indices", "hann_window", "hamming_window"),
        *("blackman_window", "bartlett_window", "kaiser_window"),
    )
)
MOVES = frozenset({Tensor.to, Tensor.type_as, Tensor.cpu, Tensor.cuda})
TAKES_BOTH = frozenset({Tensor.copy_, Tensor.__getitem__, Tensor.__setitem__})
"""What torch allows with indices, or with a source, of another device."""


class MadeElsewhere(Exception):
    """An operation took a tensor that was made on the default device together with others."""


class OtherDefaultDevice(TorchFunctionMode):
    """Inside the block, tensors that are made without a device are elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self._elsewhere: dict[int, ref[Tensor]] = {}

    def is_elsewhere(self, tensor: Tensor) -> bool:
        """Whether a tensor is still on the default device."""
        known = self._elsewhere.get(id(tensor))
        return known is not None and known() is tensor

    def move(self, made: object) -> None:
        """Take the parameters and buffers of a module from there, as `to` would."""
        if isinstance(made, nn.Module):
            for tensor in (*made.parameters(), *made.buffers()):
                self._elsewhere.pop(id(tensor), None)

    def __torch_function__(
        self,
        func: Any,
        types: Any,  # torch gives it
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call it, and remember where its result would be."""
        kwargs = kwargs or {}
        given = list(_tensors((*args, *kwargs.values())))
        if func in FACTORIES:
            made = func(*args, **kwargs)
            here = kwargs.get("device") is not None or (given and not self._all_elsewhere(given))
            return made if here else self._mark(made)
        if func in MOVES and _names_a_device(args[1:], kwargs, self):
            moved = func(*args, **kwargs)
            return moved.view(moved.shape) if self.is_elsewhere(moved) else moved
        if func not in TAKES_BOTH:
            self._refuse_a_mixture(func, given)
        result = func(*args, **kwargs)
        return self._mark(result) if given and self._all_elsewhere(given) else result

    def _all_elsewhere(self, given: list[Tensor]) -> bool:
        return all(map(self.is_elsewhere, given))

    def _refuse_a_mixture(self, func: Any, given: list[Tensor]) -> None:
        """Numbers without a dimension may be anywhere, as torch has it."""
        large = [self.is_elsewhere(tensor) for tensor in given if tensor.dim()]
        if any(large) and not all(large):
            raise MadeElsewhere(f"`{getattr(func, '__name__', func)}` of one made without a device")

    def _mark(self, result: Any) -> Any:
        for tensor in _tensors((result,)):
            self._elsewhere[id(tensor)] = ref(tensor)
        return result


def expect_nothing_elsewhere(
    make: Callable[[], Any], call: Callable[[Any], Iterable[Tensor | None]]
) -> None:
    """Expect what a component makes to be where its arguments, parameters and buffers are."""
    promise = "tensors made on the device of the arguments"
    with use_kernels("reference"), OtherDefaultDevice() as mode:
        made = make()
        mode.move(made)
        try:
            results = list(call(made))
        except MadeElsewhere as error:
            expect(False, promise, error)
        lost = [t.shape for t in results if t is not None and mode.is_elsewhere(t)]
    expect(not lost, promise, f"results of {lost} made without a device")


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _names_a_device(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], mode: OtherDefaultDevice
) -> bool:
    """Whether a call such as `to` says where a tensor shall be."""
    given = (*args, *kwargs.values())
    others = [tensor for tensor in _tensors(given) if not mode.is_elsewhere(tensor)]
    return bool(others) or any(isinstance(one, str | torch.device) for one in given)
