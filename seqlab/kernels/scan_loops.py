"""Linear recurrences as loops over rows and steps, compiled by Numba: see `seqlab.kernels.loops`.

Arrays are (B, T, N), in float32 and contiguous, a state before or after the window (B, 1, N).
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def"

from __future__ import annotations

from seqlab.kernels.loops import ZERO, by_numba


@by_numba
def scan(decay, inputs, initial, states, first, last):
    for i in range(first, last):
        before = initial[i, 0]
        for t in range(inputs.shape[1]):
            a, b, after = decay[i, t], inputs[i, t], states[i, t]
            for j in range(len(after)):
                after[j] = a[j] * before[j] + b[j]
            before = after


@by_numba
def scan_backward(grad, decay, initial, states, grad_decay, grad_inputs, grad_initial, first, last):
    for i in range(first, last):
        later = grad_initial[i, 0]
        for j in range(len(later)):
            later[j] = ZERO
        for t in range(states.shape[1] - 1, -1, -1):
            before = states[i, t - 1] if t else initial[i, 0]
            a, g, grad_a, grad_b = decay[i, t], grad[i, t], grad_decay[i, t], grad_inputs[i, t]
            for j in range(len(later)):
                total = g[j] + later[j]
                grad_a[j], grad_b[j], later[j] = total * before[j], total, total * a[j]
