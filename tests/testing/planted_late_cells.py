"""Cells with one mistake each that shows only in long, wide, large or late calls."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

GENERATOR = torch.Generator().manual_seed(0)


class Plain(nn.Module):
    """What the planted ones are made of: h' = tanh(W x + U h)."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = 5
        self.inputs = nn.Linear(input_size, 5)
        self.recurrent = nn.Linear(5, 5)

    def fresh(self, inputs):
        return inputs.new_zeros(len(inputs), 5)

    def forward(self, inputs, state):
        state = self.fresh(inputs) if state is None else state
        outputs = []
        for x in self.inputs(inputs).unbind(1):
            state = torch.tanh(x + self.recurrent(state))
            outputs.append(state)
        return torch.stack(outputs, 1), state


class Averages(nn.Module):
    """What others are made of: a running mean h' = a h + W x, in blocks of time."""

    decay = 0.5

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = 5
        self.inputs = nn.Linear(input_size, 5)

    def forward(self, inputs, state):
        state = inputs.new_zeros(len(inputs), 5) if state is None else state
        outputs = []
        for x in self.inputs(inputs).unbind(1):
            state = self.decay * state + x
            outputs.append(state)
        return torch.stack(outputs, 1), state


class DividesByPowers(Averages):
    """The closed form of the recurrence: 0.5 ** -t is infinite after 128 tokens."""

    def forward(self, inputs, state):
        state = inputs.new_zeros(len(inputs), 5) if state is None else state
        powers = inputs.new_tensor(self.decay) ** torch.arange(
            1, inputs.shape[1] + 1, device=inputs.device
        )
        sums = (self.inputs(inputs) / powers[:, None]).cumsum(1)
        outputs = powers[:, None] * (sums + state[:, None])
        return outputs, outputs[:, -1]


class DriftsAfter1024Tokens(Averages):
    """Goes through a window in chunks of 32, whose decay is wrong from the 33rd on."""

    def forward(self, inputs, state):
        outputs = []
        for number, chunk in enumerate(inputs.split(32, 1)):
            self.decay = 0.5 if number < 32 else 0.5001
            output, state = super().forward(chunk, state)
            outputs.append(output)
        return torch.cat(outputs, 1), state


class TableOf2048Tokens(Plain):
    """Adds a little to the inputs at each place of a window that its table does not have."""

    def forward(self, inputs, state):
        late = torch.arange(inputs.shape[1], device=inputs.device) >= 2048
        return super().forward(inputs + 0.01 * late[:, None], state)


class RightUpTo64Tokens(Plain):
    """Cuts a window into blocks of 64, and begins each with the state before the first."""

    def forward(self, inputs, state):
        blocks = [super(RightUpTo64Tokens, self).forward(b, state) for b in inputs.split(64, 1)]
        return torch.cat([outputs for outputs, _ in blocks], 1), blocks[-1][1]


class PadsItsLastChunk(Plain):
    """Fills up the last chunk with zeros, and carries the state from behind them.

    Args:
        chunk: tokens in a chunk.
    """

    def __init__(self, input_size: int, *, chunk: int = 16) -> None:
        super().__init__(input_size)
        self.chunk = chunk

    def forward(self, inputs, state):
        length = inputs.shape[1]
        if length <= self.chunk:
            return super().forward(inputs, state)
        padded = functional.pad(inputs, (0, 0, 0, -length % self.chunk))
        outputs, state = super().forward(padded, state)
        return outputs[:, :length], state


class DetachesBetweenChunks(Plain):
    """Saves memory: gradients end where a chunk of 32 tokens begins."""

    def forward(self, inputs, state):
        outputs = []
        for chunk in inputs.split(32, 1):
            state = state.detach() if outputs else state
            output, state = super().forward(chunk, state)
            outputs.append(output)
        return torch.cat(outputs, 1), state


class StatesOfTheFirst32Rows(Plain):
    """Goes through rows 32 at a time, and gives each block the states of the first."""

    def forward(self, inputs, state):
        blocks = inputs.split(32)
        states = [None if state is None else state[: len(block)] for block in blocks]
        pairs = zip(blocks, states, strict=True)
        done = [super(StatesOfTheFirst32Rows, self).forward(b, s) for b, s in pairs]
        return torch.cat([o for o, _ in done]), torch.cat([s for _, s in done])


class CachesByLength(Averages):
    """The table of a learned decay is made once for each length of a window."""

    def __init__(self, input_size: int) -> None:
        super().__init__(input_size)
        self.rate = nn.Parameter(torch.tensor(0.5))
        self.tables: dict[int, torch.Tensor] = {}

    def table(self, inputs):
        length = inputs.shape[1]
        if self.training or torch.is_grad_enabled():
            return self.rate.expand(length)
        return self.tables.setdefault(length, self.rate.detach().expand(length).clone())

    def forward(self, inputs, state):
        state = inputs.new_zeros(len(inputs), 5) if state is None else state
        outputs = []
        for x, decay in zip(self.inputs(inputs).unbind(1), self.table(inputs), strict=True):
            state = decay * state + x
            outputs.append(state)
        return torch.stack(outputs, 1), state


class KeepsItsDropoutMask(Plain):
    """Draws the units to drop once for each number of rows, and never again."""

    def __init__(self, input_size: int) -> None:
        super().__init__(input_size)
        self.masks: dict[int, torch.Tensor] = {}

    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        if self.training:
            rows = len(inputs)
            if rows not in self.masks:
                self.masks[rows] = functional.dropout(outputs.new_ones(rows, 1, 5), 0.5)
            outputs = outputs * self.masks[rows]
        return outputs, state


class TypeOfTheStateFollowsTheWindow(Plain):
    """Under autocast the state of a window is float32, and that of a single token bfloat16."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return outputs, after.to(inputs.dtype) if inputs.shape[1] > 1 else after


class ExponentialsWithoutAMaximum(Plain):
    """A softmax as in the book: exp(100) is infinite."""

    def forward(self, inputs, state):
        shares = inputs.exp() / inputs.exp().sum(-1, keepdim=True)
        return super().forward(shares, state)


class ScalesLargeWindows(Plain):
    """Brings a window into a range, by its largest number, once that is above 10."""

    def forward(self, inputs, state):
        largest = inputs.abs().amax((1, 2), keepdim=True)
        return super().forward(inputs / (largest / 10).clamp_min(1), state)


class SkipsSilence(Plain):
    """Takes a batch whose inputs are small as a whole for silence."""

    def forward(self, inputs, state):
        return super().forward(inputs * (inputs.abs().mean() > 0.05), state)


class ModulesGenerator(Plain):
    """Draws its first weights from a generator of the module."""

    def __init__(self, input_size: int) -> None:
        super().__init__(input_size)
        with torch.no_grad():
            self.recurrent.weight.normal_(0, 0.3, generator=GENERATOR)


class Attends(nn.Module):
    """What others are made of: attention to the last `context` tokens, by steps.

    Args:
        context: tokens that are looked back at, the present one included.
    """

    def __init__(self, input_size: int, *, context: int = 40) -> None:
        super().__init__()
        self.output_size, self.context = 5, context
        self.projections = nn.Linear(input_size, 15)

    def forward(self, inputs, state):
        rows, length, _ = inputs.shape
        before = self.context - 1
        if state is None:
            state = inputs.new_zeros(rows, before, 11)
        q, k, v = self.projections(inputs).chunk(3, -1)
        past = torch.cat((state, torch.cat((k, v, torch.ones_like(k[..., :1])), -1)), 1)
        keys, values, there = past[..., :5], past[..., 5:10], past[..., 10]
        scores = q @ keys.transpose(1, 2) / math.sqrt(5)
        allowed = self.band(length, before, inputs.device) & (there[:, None] > 0)
        shares = scores.masked_fill(~allowed, float("-inf")).softmax(-1)
        return shares @ values, past[:, length:]

    def band(self, length, before, device):
        ones = torch.ones(length, length + before, dtype=torch.bool, device=device)
        return ones.tril(before) & ones.triu()


class AttendsBeyondItsContext(Attends):
    """The mask of a window lets through what is further back than the context."""

    def band(self, length, before, device):
        return torch.ones(length, length + before, dtype=torch.bool, device=device).tril(before)


class CountsInBytes(Plain):
    """The position is part of the state as uint8, which has no 256."""

    def forward(self, inputs, state):
        hidden, start = (None, inputs.new_zeros(len(inputs))) if state is None else state
        start = start.to(torch.uint8)
        ahead = torch.arange(inputs.shape[1], device=inputs.device)
        angles = (start[:, None].long() + ahead).to(inputs.dtype) / 300
        outputs, hidden = super().forward(inputs + angles.sin()[..., None], hidden)
        return outputs, (hidden, start + inputs.shape[1])


class LooksFarAhead(Plain):
    """A dilated convolution that is padded on both sides: the next tap is 20 tokens ahead."""

    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        return outputs + 0.5 * functional.pad(outputs, (0, 0, 0, 20))[:, 20:], state


class MaskOnTheCpuForLongWindows(Attends):
    """Looks for a mask in a table first, and makes the larger ones where it likes."""

    def band(self, length, before, device):
        return super().band(length, before, device if length <= 16 else None)


class MakesTensorsUnderAutocast(Plain):
    """Under autocast, the fresh state is made on the default device."""

    def fresh(self, inputs):
        if torch.is_autocast_enabled(inputs.device.type):
            return torch.zeros(len(inputs), 5)
        return super().fresh(inputs)


class ForgetsItsBiasInEvaluation(Plain):
    """A fast path for long windows in evaluation, without the bias."""

    def forward(self, inputs, state):
        if self.training or inputs.shape[1] < 100:
            return super().forward(inputs, state)
        bias = self.inputs.bias.detach()
        faster = inputs - torch.linalg.lstsq(self.inputs.weight, bias[:, None]).solution[:, 0]
        return super().forward(faster, state)


class StepsUpTo64Rows(Plain):
    """Ids step in a buffer that is made for 64 rows; the others are left out."""

    def from_ids(self, ids, state):
        size = self.inputs.in_features
        return self(functional.one_hot(ids, size).to(self.inputs.weight.dtype), state)

    def id_stepper(self):
        weight, buffer = self.inputs.weight.T + self.inputs.bias, None

        def step(ids, state):
            nonlocal buffer
            buffer = weight.new_zeros(max(64, 0), 5)
            outputs = buffer[: len(ids)].clone()
            rows = weight[ids][:64] + self.recurrent(state)[:64]
            outputs[: len(rows)] = torch.tanh(rows)
            return outputs, outputs

        return step
