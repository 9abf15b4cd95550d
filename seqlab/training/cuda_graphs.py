"""Kernels that are recorded once as a CUDA graph, and then launched together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from seqlab.errors import RunFailed
from seqlab.training.profiling import Phase, unmeasured

MOST = 16  # forms that are recorded; each keeps what it writes


class Replayed:
    """Equals a function of tensors that leaves gradients in parameters, with one launch a call.

    A step of a recurrent model is hundreds of kernels, each of which a GPU finishes before the next
    one has been launched. A graph of them is launched at once. Arguments have the same form if
    their tensors have the same shapes and dtypes, and everything else is equal: the first call of a
    form is an ordinary one, in which libraries set themselves up, the second is recorded, and from
    then on the recording is replayed on what is given. Random numbers are those that the generator
    would have given. Of more forms than a few, the last are never recorded.

    What is not a kernel happens while recording only. A function that reads a value back from the
    device cannot be recorded.

    Args:
        function: of a phase, and of nested tuples of tensors and plain values; it returns such.
        parameters: that it leaves gradients in.
    """

    def __init__(self, function: Callable[..., Any], parameters: Sequence[Tensor]) -> None:
        self._function = function
        self._parameters = parameters
        self._forms: dict[object, _Graph | None] = {}
        self._stream = torch.cuda.Stream(parameters[0].device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, phase: Phase, *arguments: Any) -> Any:
        """Return what the function does; the next call writes over it.

        Raises:
            RunFailed: it cannot be recorded.
        """
        form = _mapped(lambda tensor: (tensor.shape, tensor.dtype), arguments)
        if form not in self._forms:
            if len(self._forms) < MOST:
                self._forms[form] = None
            return self._function(phase, *arguments)
        recording = self._forms[form] or self._record(arguments)
        self._forms[form] = recording
        with phase("replay"):
            return recording.replay(arguments)

    def _record(self, arguments: tuple[Any, ...]) -> _Graph:
        try:
            # Whatever happens, the stream is afterwards what it was.
            with torch.cuda.stream(torch.cuda.current_stream(self._stream.device)):
                return _Graph(self._function, self._parameters, arguments, self._stream, self._pool)
        except RuntimeError as error:
            cause = error.__context__ or error  # to end a recording that failed fails as well
            first_line = str(cause).partition("\n")[0]
            raise RunFailed(
                "train.cuda_graphs: this model cannot be recorded, maybe because it reads a value"
                f" back from the GPU ({first_line}); it runs with --set train.cuda_graphs=false",
                resume_with="--set train.cuda_graphs=false",
            ) from error


class _Graph:
    """A graph, and the tensors that it reads and writes."""

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: Sequence[Tensor],
        arguments: tuple[Any, ...],
        stream: torch.cuda.Stream,
        pool: Any,
    ) -> None:
        self._parameters = parameters
        self._graph = torch.cuda.CUDAGraph()
        given = _mapped(torch.clone, arguments)
        self._given = list(_tensors(given))
        places = {_place(tensor) for tensor in self._given}

        def apart(tensor: Tensor) -> Tensor:
            """What is returned as it was given must not be where the next arguments are put."""
            return tensor.clone() if _place(tensor) in places else tensor

        # Other threads of a run may go on as they please while this one records.
        with torch.cuda.graph(
            self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"
        ):
            self._found = _mapped(apart, function(unmeasured, *given))
        self._gradients = [parameter.grad for parameter in parameters]

    def replay(self, arguments: tuple[Any, ...]) -> Any:
        """Run the graph on arguments of the same form."""
        torch._foreach_copy_(self._given, list(_tensors(arguments)))
        self._graph.replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._found


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _mapped(change: Callable[[Tensor], Any], value: Any) -> Any:
    """Apply a function to every tensor in a nested tuple, which may have names."""
    if isinstance(value, tuple):
        parts = [_mapped(change, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return change(value) if isinstance(value, Tensor) else value


def _tensors(value: Any) -> Iterator[Tensor]:
    """What `_mapped` would change."""
    if isinstance(value, tuple):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, Tensor):
        yield value
