"""Parameters of which each process has a share: torch's FSDP2.

Each layer is a unit, and everything else (embedding, last norm, head, objective) is another one. A
unit is gathered before it computes, and its gradients are added and shared out as soon as they are
known. So a process holds its share of weights, gradients and optimizer state, and one or two whole
units.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, Placement, Replicate, Shard, distribute_tensor

from seqlab.contracts import State
from seqlab.distributed.process_world import ProcessWorld
from seqlab.distributed.world import Partial
from seqlab.model.language_model import LanguageModel
from seqlab.model.segments import Hidden
from seqlab.training.local_part import local_part
from seqlab.training.tensor_tree import map_tensors


class CannotShard(ValueError):
    """The parameters of a model cannot be shared out."""


class ShardedParameters:
    """Shares of all parameters, cut along their first dimension.

    Args:
        whole: the model. It gives its memory back after the first block of `gathered`.
        world: the processes.

    Raises:
        CannotShard: a part of the model keeps a parameter to itself, or two layers share one.
    """

    is_sharded = True

    def __init__(self, whole: LanguageModel, world: ProcessWorld) -> None:
        self.whole, self._world = whole, world
        if whole.device.type == "cuda":
            torch.cuda.set_device(whole.device)
        world.limit_messages()
        self._mesh = init_device_mesh(whole.device.type, (world.size,))
        self.model = _sharded(_copy(whole), self._mesh)
        self._shapes = {tuple(p.shape) for p in self.model.parameters()}

    def through(self, hidden: Hidden) -> Hidden:
        """Gather the last unit for the hidden outputs; the head's loss then has its weights."""
        self.model.hidden = partial(_own_hidden, hidden)  # type: ignore[method-assign]
        register_fsdp_forward_method(self.model, "hidden")
        return self.model.hidden

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        own = torch._foreach_norm([local_part(gradient) for gradient in gradients])
        squares = torch.stack([norm.double().square() for norm in own]).sum().view(1)
        return self._world.sum(Partial((), squares)).message.sqrt().float().view(())

    @contextmanager
    def gathered(self) -> Iterator[None]:
        weights = list(zip(self.whole.parameters(), self.model.parameters(), strict=True))
        with torch.no_grad(), self._world.answering():
            for target, share in weights:
                target.untyped_storage().resize_(target.numel() * target.element_size())
                target.copy_(cast("DTensor", share).full_tensor())
            for copy, buffer in zip(self.whole.buffers(), self.model.buffers(), strict=True):
                copy.copy_(buffer)
        try:
            yield
        finally:
            for target, _ in weights:
                target.grad = None
                target.untyped_storage().resize_(0)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        self.whole.load_state_dict(weights)
        with torch.no_grad():
            for name, tensor in self.model.state_dict(keep_vars=True).items():
                tensor.copy_(self._placed(weights[name], like=tensor))

    def _placed(self, whole: Tensor, like: Tensor) -> Tensor:
        whole = whole.to(like.device, like.dtype)
        return self._cut(whole, Shard(0)) if isinstance(like, DTensor) else whole

    def _cut(self, whole: Tensor, placement: Placement) -> Tensor:
        return distribute_tensor(whole, self._mesh, [placement], src_data_rank=None)

    def full(self, state: Any) -> Any:
        with torch.no_grad(), self._world.answering():
            return map_tensors(self._full, state)

    def _full(self, tensor: Tensor) -> Tensor | None:
        """Gather a tensor into the memory of the first process's host."""
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        return whole.detach().cpu() if self._world.rank == 0 else None

    def own(self, state: Any) -> Any:
        return map_tensors(self._own, state)

    def _own(self, tensor: Tensor) -> Tensor:
        """Cut what has the shape of a parameter, as its parameter is cut; repeat the rest."""
        if tensor.dim() == 0:
            return tensor
        placement = Shard(0) if tuple(tensor.shape) in self._shapes else Replicate()
        return self._cut(tensor.to(self.whole.device), placement)


def _copy(model: LanguageModel) -> LanguageModel:
    try:
        return deepcopy(model)
    except Exception as error:  # of what a component keeps
        reason = f"{type(error).__name__}: {error!s:.200}"
        raise CannotShard(f"it cannot be copied ({reason})") from error


def _sharded(model: LanguageModel, mesh: DeviceMesh) -> LanguageModel:
    """Share the parameters of a model out; no message is sent."""
    _check_units(model)
    before = {name: weakref.ref(p) for name, p in model.named_parameters()}
    try:
        for layer in model.layers:
            layer.register_forward_hook(_own_memory)
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh, reshard_after_forward=False)
    except (NotImplementedError, RuntimeError, ValueError) as error:
        raise CannotShard(" ".join(str(error).split())) from error
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)  # the loss is a sum over all processes
            module.set_force_sum_reduction_for_comms(True)  # the only one of gloo's
    gc.collect()
    if kept := [name for name, parameter in before.items() if parameter() is not None]:
        raise CannotShard(f"something besides its module holds the parameter {kept[0]}")
    return model


def _own_memory(_layer: nn.Module, _inputs: Any, outputs: Any) -> Any:
    """Copy views: torch gathers a unit again by a hook, which is lost where one is changed."""
    return _without_views(outputs)


def _without_views(outputs: Any) -> Any:
    return map_tensors(lambda t: t.clone() if t._is_view() else t, outputs)


def _own_hidden(hidden: Hidden, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
    """Have hidden outputs need a gradient where only the head is trained: torch's hook needs it."""
    outputs, after = _without_views(hidden(ids, state))
    return outputs if outputs.requires_grad else outputs.requires_grad_(), after


def _check_units(model: LanguageModel) -> None:
    units: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        parts = name.split(".")
        unit = ".".join(parts[:2]) if parts[0] == "layers" else "the rest of the model"
        other = units.setdefault(id(parameter), unit)
        if other != unit:
            raise CannotShard(f"{other} and {unit} share the parameter {name}")
