"""Linear recurrences that do not depend on their inputs, of complex numbers.

Such a recurrence is a convolution, so that a window is a product of Fourier transforms.

Shapes: B rows, T window, I input size, O output size, N complex states.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, hookimpl


def powers_of(log_decay: Tensor, window: int) -> Tensor:
    """Return a^0, ..., a^(T-1) of a = exp(log_decay), (T, ...)."""
    steps = torch.arange(window, device=log_decay.device, dtype=log_decay.real.dtype)
    return (steps.view(-1, *[1] * log_decay.ndim) * log_decay).exp()


def convolved(kernel: Tensor, inputs: Tensor) -> Tensor:
    """Return sum over s of kernel_s inputs_{t-s} for each t: (T, ...) and (B, T, ...)."""
    window = inputs.shape[1]
    if kernel.is_complex():
        spectrum = torch.fft.fft(kernel, 2 * window, 0) * torch.fft.fft(inputs, 2 * window, 1)
        whole: Tensor = torch.fft.ifft(spectrum, dim=1)
        return whole[:, :window]
    spectrum = torch.fft.rfft(kernel, 2 * window, 0) * torch.fft.rfft(inputs, 2 * window, 1)
    whole = torch.fft.irfft(spectrum, 2 * window, 1)
    return whole[:, :window]


class LRU(nn.Module):
    """The linear recurrent unit: Orvieto et al., 2023, arXiv:2303.06349.

        h_t = lambda h_{t-1} + exp(gamma) B x_t, with lambda = exp(-exp(nu) + i exp(theta))
        y_t = Re(C h_t) + D x_t

    h, lambda, B and C are complex. The state is h, (B, N, 2), as real and imaginary parts; zeros
    before the start.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        state_size: Count = 256,
        slowest: Annotated[float, Field(gt=0, lt=1)] = 0.999,
        fastest: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        largest_phase: Annotated[float, Field(gt=0, le=2 * math.pi)] = math.pi / 10,
    ) -> None:
        """Draw the eigenvalues from a ring, as the paper does.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs.
            state_size: N.
            slowest: the largest initial |lambda|.
            fastest: the smallest.
            largest_phase: of an initial lambda, in radians.
        """
        super().__init__()
        if fastest >= slowest:
            raise ValueError(f"fastest ({fastest}) should be below slowest ({slowest})")
        self.output_size, self.state_shape = hidden_size, (state_size, 2)
        squares = torch.empty(state_size).uniform_(fastest**2, slowest**2).clamp(min=1e-6)
        self.log_rate = nn.Parameter((-0.5 * squares.log()).log())  # nu
        self.log_phase = nn.Parameter(torch.empty(state_size).uniform_(1e-3, largest_phase).log())
        self.log_scale = nn.Parameter(0.5 * torch.log1p(-squares))  # gamma
        self.write = nn.Linear(input_size, 2 * state_size, bias=False)
        self.read = nn.Linear(2 * state_size, hidden_size, bias=False)
        nn.init.normal_(self.write.weight, std=(2 * input_size) ** -0.5)
        nn.init.normal_(self.read.weight, std=state_size**-0.5)
        self.skip = nn.Linear(input_size, hidden_size, bias=False)

    def forward(self, inputs: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        if state is None:
            state = self.log_rate.new_zeros(inputs.shape[0], *self.state_shape)
        hidden = torch.view_as_complex(state.contiguous())
        log_decay = torch.complex(-self.log_rate.exp(), self.log_phase.exp())  # (N,)
        written = self.write(inputs).to(state.dtype).unflatten(-1, (-1, 2)).contiguous()
        written = torch.view_as_complex(written) * self.log_scale.exp()  # (B, T, N)
        powers = powers_of(log_decay, inputs.shape[1] + 1)
        states = convolved(powers[:-1], written) + powers[1:] * hidden.unsqueeze(1)
        parts = torch.view_as_real(states)
        return self.read(parts.flatten(2)) + self.skip(inputs), parts[:, -1].clone()


class S4D(nn.Module):
    """A diagonal state space model, S4D-Lin with a zero-order hold: Gu et al., 2022.

    "On the parameterization and initialization of diagonal state space models", arXiv:2206.11893.

    In each channel of u = W_in x, with a complex state h of size N:

        h_t = exp(d A) h_{t-1} + (exp(d A) - 1) / A u_t, with A = -exp(alpha) + i omega
        c_t = 2 Re(C h_t) + D u_t
        y_t = W_out gelu(c_t)

    The state is h, (B, O, N, 2), as real and imaginary parts; zeros before the start.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        state_size: Count = 32,
    ) -> None:
        """Set frequencies and step sizes as the paper does.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs, and the number of channels.
            state_size: N, the complex states of a channel, each for a pair of conjugates.
        """
        super().__init__()
        self.output_size, self.state_shape = hidden_size, (hidden_size, state_size, 2)
        self.project = nn.Linear(input_size, hidden_size)
        sizes = torch.empty(hidden_size).uniform_(math.log(1e-3), math.log(1e-1))
        self.log_step = nn.Parameter(sizes)  # log d
        self.log_rate = nn.Parameter(torch.full((hidden_size, state_size), math.log(0.5)))  # alpha
        frequencies = math.pi * torch.arange(state_size).float()
        self.frequency = nn.Parameter(frequencies.repeat(hidden_size, 1))  # omega
        self.read = nn.Parameter(torch.randn(hidden_size, state_size, 2) * 0.5**0.5)  # C
        self.skip = nn.Parameter(torch.randn(hidden_size))
        self.output = nn.Linear(hidden_size, hidden_size)

    def forward(self, inputs: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        if state is None:
            state = self.skip.new_zeros(inputs.shape[0], *self.state_shape)
        hidden = torch.view_as_complex(state.contiguous())  # (B, O, N)
        channels = self.project(inputs).to(state.dtype)  # (B, T, O)
        rate = torch.complex(-self.log_rate.exp(), self.frequency)
        log_decay = self.log_step.exp().unsqueeze(-1) * rate  # (O, N)
        write = torch.expm1(log_decay) / rate
        powers = powers_of(log_decay, inputs.shape[1] + 1)  # (T + 1, O, N)
        read = torch.view_as_complex(self.read)
        kernel = 2 * (powers[:-1] * (read * write)).sum(-1).real  # (T, O)
        carried = 2 * torch.einsum("ton,bon->bto", powers[1:] * read, hidden).real
        found = convolved(kernel, channels) + carried + self.skip * channels
        held = torch.einsum("ton,bto->bon", powers[:-1].flip(0) * write, channels.to(rate.dtype))
        after = powers[-1] * hidden + held
        return self.output(functional.gelu(found)), torch.view_as_real(after)


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"lru": LRU, "s4d": S4D}
