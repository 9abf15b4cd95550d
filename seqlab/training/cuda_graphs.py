"""Record kernels once as a CUDA graph, then launch them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from seqlab.errors import Override, RunFailed
from seqlab.model.state import leaves
from seqlab.training.profiling import Phase, unmeasured
from seqlab.training.tensor_tree import map_tensors

MAX_GRAPHS = 16  # each keeps its results
LAUNCHED = Override("train.cuda_graphs=false")


class GraphReplay:
    """A function that leaves gradients in parameters, replayed with one launch per call.

    A step of a recurrent model is hundreds of kernels, and a GPU finishes each before the next one
    is launched. There is one graph for each signature of the arguments: the shapes and dtypes of
    their tensors, and all other values. The first call of a signature runs the function, so that
    libraries initialise; the second records it; later ones replay the graph. Random numbers are
    the same as without a graph. Signatures beyond `MAX_GRAPHS` are never recorded.

    Python code runs during recording only. A function that reads a value back from the device
    cannot be recorded.

    Args:
        function: takes a phase and nested tuples of tensors and plain values; returns the latter.
        parameters: the tensors that receive the gradients.
    """

    def __init__(self, function: Callable[..., Any], parameters: Sequence[Tensor]) -> None:
        self._function = function
        self._parameters = parameters
        self._replays: dict[object, Callable[..., Any] | None] = {}
        self._stream = torch.cuda.Stream(parameters[0].device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, phase: Phase, *arguments: Any) -> Any:
        """Return the function's result, which the next call overwrites."""
        signature = map_tensors(lambda tensor: (tensor.shape, tensor.dtype), arguments)
        if signature not in self._replays:
            if len(self._replays) < MAX_GRAPHS:
                self._replays[signature] = None
            return self._function(phase, *arguments)
        replay = self._replays[signature] = self._replays[signature] or self._record(arguments)
        with phase("replay"):
            return replay(arguments)

    def _record(self, arguments: tuple[Any, ...]) -> Callable[[tuple[Any, ...]], Any]:
        """Record the function, and return a function that replays it on other arguments."""
        inputs = map_tensors(torch.clone, arguments)
        input_tensors = _tensors(inputs)
        addresses = {_address(tensor) for tensor in input_tensors}

        def separate(tensor: Tensor) -> Tensor:
            """Copy a result that shares memory with an input: the next call overwrites those."""
            return tensor.clone() if _address(tensor) in addresses else tensor

        graph = torch.cuda.CUDAGraph()
        pool, stream = self._pool, self._stream
        try:
            # The outer block restores the current stream, also after an error. thread_local: other
            # threads may use the GPU during the recording.
            with (
                torch.cuda.stream(torch.cuda.current_stream(stream.device)),
                torch.cuda.graph(
                    graph, pool=pool, stream=stream, capture_error_mode="thread_local"
                ),
            ):
                result = map_tensors(separate, self._function(unmeasured, *inputs))
        except RuntimeError as error:
            cause = error.__context__ or error  # ending a failed recording raises as well
            first_line = str(cause).partition("\n")[0]
            raise RunFailed(
                "train.cuda_graphs: this model cannot be recorded, perhaps because it reads a value"
                f" back from the GPU ({first_line}); it runs with {LAUNCHED}",
                resume_with=[LAUNCHED],
            ) from error
        grads = [parameter.grad for parameter in self._parameters]

        def replay(arguments: tuple[Any, ...]) -> Any:
            torch._foreach_copy_(input_tensors, _tensors(arguments))
            graph.replay()
            for parameter, grad in zip(self._parameters, grads, strict=True):
                parameter.grad = grad
            return result

        return replay


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in leaves(value) if isinstance(leaf, Tensor)]
