"""Linear recurrences as loops over rows and steps, compiled by Numba: see `seqlab_plugins.loops`.

Arrays are (B, T, N), in float32 and contiguous, a state before or after the window (B, 1, N).
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from seqlab.loops import Array, by_numba


@by_numba
def scan(
    backwards: int,
    decay: Array,
    inputs: Array,
    initial: Array,
    states: Array,
    first: int,
    last: int,
) -> None:
    window, size = inputs.shape[1:]
    for i in range(first, last):
        before = initial[i, 0]
        for step in range(window):
            t = window - 1 - step if backwards else step
            a, b, after = decay[i, t], inputs[i, t], states[i, t]
            for j in range(size):
                after[j] = a[j] * before[j] + b[j]
            before = after


@by_numba
def scan_back(
    backwards: int,
    gradient: Array,
    decay: Array,
    initial: Array,
    states: Array,
    of_decay: Array,
    of_inputs: Array,
    of_initial: Array,
    first: int,
    last: int,
) -> None:
    window, size = states.shape[1:]
    for i in range(first, last):
        kept = of_initial[i, 0]
        for j in range(size):
            kept[j] = 0
        for step in range(window - 1, -1, -1):
            t = window - 1 - step if backwards else step
            earlier = t + 1 if backwards else t - 1
            before = states[i, earlier] if step else initial[i, 0]
            a, g, of_a, of_b = decay[i, t], gradient[i, t], of_decay[i, t], of_inputs[i, t]
            for j in range(size):
                total = g[j] + kept[j]
                of_a[j], of_b[j], kept[j] = total * before[j], total, total * a[j]
