"""Give each process its share of the parameters, where an experiment wants that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from seqlab.contracts import NamedParameters
from seqlab.distributed.process_world import ProcessWorld
from seqlab.distributed.world import World
from seqlab.errors import ExperimentError
from seqlab.model.language_model import LanguageModel
from seqlab.registry import Resolved
from seqlab.training.closure import needs_closure
from seqlab.training.layout import Layout, WholeParameters
from seqlab.training.tensor_tree import map_tensors

log = logging.getLogger(__name__)

TRIED = 2  # at most so long is each side of the parameters that an optimizer is tried on


def laid_out(resolved: Resolved, model: LanguageModel, world: World) -> Layout:
    """Return where the parameters of a model are; with `train.sharding` each process has a share.

    No message is sent.

    Raises:
        ExperimentError: a setting, the model or the optimizer does not allow that.
    """
    if resolved.train.sharding is None:
        return WholeParameters(model)
    _check_settings(resolved)
    if not isinstance(world, ProcessWorld):
        log.warning("train.sharding: there is one process, which has all parameters")
        return WholeParameters(model)
    from seqlab.training.sharded_parameters import CannotShard, ShardedParameters

    _check_optimizer(resolved, model, world)
    try:
        return ShardedParameters(model, world)
    except CannotShard as error:
        message = f"this model cannot be sharded: {error}"
        raise ExperimentError([resolved.complaint(message, "train", "sharding")]) from error


def _check_settings(resolved: Resolved) -> None:
    """Refuse what records or compiles a step, which cannot be done while shares are gathered."""
    train = resolved.train
    if beside := [key for key in ("compile", "cuda_graphs") if getattr(train, key)]:
        message = f"does not go with train.{beside[0]}; leave one of them out"
        raise ExperimentError([resolved.complaint(message, "train", "sharding")])


def _check_optimizer(resolved: Resolved, model: nn.Module, world: World) -> None:
    """Refuse an optimizer that needs a closure, or fails with small parameters that are sharded."""
    label = resolved.optimizer.component.label
    with _mesh_of_one(world) as mesh:
        parameters: NamedParameters = list(_small(model, mesh))
        problem = _problem(resolved, parameters)
    if problem:
        message = f"{label} cannot step parameters that are sharded: {problem}"
        raise ExperimentError([resolved.complaint(message, "train", "sharding")])


def _problem(resolved: Resolved, parameters: NamedParameters) -> str:
    """Say why an optimizer fails; empty: it takes a step, also after it was saved and loaded."""
    optimizer = resolved.optimizer.build(parameters)
    if needs_closure(optimizer):
        return "it evaluates the model by itself"
    try:
        for _, parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        optimizer.load_state_dict(map_tensors(torch.clone, optimizer.state_dict()))
        optimizer.step()
    except Exception as error:  # whatever a stranger's optimizer does to tensors of another kind
        return f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
    return ""


@contextmanager
def _mesh_of_one(world: World) -> Iterator[Any]:
    """A group of this process alone, in which tensors can be sharded while others do not wait."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import DeviceMesh

    group = dist.new_group([world.rank], backend="gloo", use_local_synchronization=True)
    yield DeviceMesh.from_group(group, "cpu")
    dist.destroy_process_group(group)


def _small(model: nn.Module, mesh: Any) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield parameters with the names and as many sides as those that are trained."""
    from torch.distributed.tensor import Shard, distribute_tensor

    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            small = torch.zeros([min(size, TRIED) for size in parameter.shape])
            shared = distribute_tensor(small, mesh, [Shard(0)], src_data_rank=None)
            yield name, nn.Parameter(shared)
