"""The device of the model."""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.errors import Complaint, ExperimentError


def pick_device(name: str, number: int | None = None) -> torch.device:
    """Return the device of that name; `auto` is cuda if there is one, otherwise cpu.

    `number` is the GPU of this process, where several have one each and `name` has none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and number is not None:
        name = f"cuda:{number}"
    device = torch.device(name)
    available = {"cpu": 1, "cuda": torch.cuda.device_count()}[device.type]
    if (device.index or 0) >= available:
        message = f"this machine has no {name}; device: auto takes the best there is"
        raise ExperimentError([Complaint("", "train.device", message)])
    return device


class HostCopy:
    """A copy of a tensor to the host that does not block.

    `read` waits for the copy, and for nothing that the device was given to do later.
    """

    def __init__(self, value: Tensor) -> None:
        self._value = value.to("cpu", non_blocking=True)
        self._arrival = torch.Event(value.device) if value.is_cuda else None
        if self._arrival is not None:
            self._arrival.record()

    def read(self) -> Tensor:
        if self._arrival is not None:
            self._arrival.synchronize()
        return self._value
