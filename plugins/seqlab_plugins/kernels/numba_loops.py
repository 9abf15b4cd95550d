"""The windows of `rnn`, `lstm` and `gru` as loops over steps and rows, compiled by Numba.

Rows do not wait for each other: each core takes some of them, `first` to `last`, through the whole
window. What a step has written is still in a cache of that core at the next one.

Arrays are those of `windows`. Importing it needs `seqlab[fast]`.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def"

from __future__ import annotations

from seqlab.kernels.blas import linear, product
from seqlab.kernels.loops import ONE, ZERO, by_numba, sigmoid, tanh


@by_numba
def _thirds(gates):
    size = len(gates) // 3
    return gates[:size], gates[size : 2 * size], gates[2 * size :]


@by_numba
def _quarters(gates):
    size = len(gates) // 4
    return gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size], gates[3 * size :]


@by_numba
def rnn(sgemm, states, weight, first, last):
    for t in range(len(states) - 1):
        linear(sgemm, states[t + 1, first:last], states[t, first:last], weight, ONE)
        for i in range(first, last):
            h = states[t + 1, i]
            for j in range(len(h)):
                h[j] = tanh(h[j])


@by_numba
def rnn_backward(sgemm, grad_states, states, grad_x, weight, first, last):
    for t in range(len(grad_x) - 1, -1, -1):
        for i in range(first, last):
            h, grad_h, grad = states[t + 1, i], grad_states[t + 1, i], grad_x[t, i]
            for j in range(len(h)):
                grad[j] = grad_h[j] * (ONE - h[j] * h[j])
        product(sgemm, grad_states[t, first:last], grad_x[t, first:last], weight, ONE)


@by_numba
def gru(sgemm, x, states, gates, candidates, bias, weight, first, last):
    b_r, b_z, b_n = _thirds(bias)
    for t in range(len(gates)):
        linear(sgemm, gates[t, first:last], states[t, first:last], weight, ZERO)
        for i in range(first, last):
            h, h_after, candidate = states[t, i], states[t + 1, i], candidates[t, i]
            x_r, x_z, x_n = _thirds(x[t, i])
            h_r, h_z, h_n = _thirds(gates[t, i])
            for j in range(len(h)):
                r = sigmoid(x_r[j] + h_r[j] + b_r[j])
                z = sigmoid(x_z[j] + h_z[j] + b_z[j])
                inner = h_n[j] + b_n[j]
                n = tanh(x_n[j] + r * inner)
                h_r[j], h_z[j], h_n[j], candidate[j] = r, z, inner, n
                h_after[j] = n + z * (h[j] - n)


@by_numba
def gru_backward(
    sgemm, grad_states, states, gates, candidates, grad_inner, grad_x, weight, first, last
):
    for t in range(len(gates) - 1, -1, -1):
        for i in range(first, last):
            grad_h, grad_before = grad_states[t + 1, i], grad_states[t, i]
            h, candidate = states[t, i], candidates[t, i]
            gate_r, gate_z, inner = _thirds(gates[t, i])
            inner_r, inner_z, inner_n = _thirds(grad_inner[t, i])
            x_r, x_z, x_n = _thirds(grad_x[t, i])
            for j in range(len(h)):
                r, z, n, grad = gate_r[j], gate_z[j], candidate[j], grad_h[j]
                grad_n = grad * (ONE - z) * (ONE - n * n)
                grad_r = grad_n * inner[j] * r * (ONE - r)
                grad_z = grad * (h[j] - n) * z * (ONE - z)
                inner_r[j], inner_z[j], inner_n[j] = grad_r, grad_z, grad_n * r
                x_r[j], x_z[j], x_n[j] = grad_r, grad_z, grad_n
                grad_before[j] += grad * z
        product(sgemm, grad_states[t, first:last], grad_inner[t, first:last], weight, ONE)


@by_numba
def lstm(sgemm, states, cells, gates, tanh_c, weight, first, last):
    for t in range(len(gates)):
        linear(sgemm, gates[t, first:last], states[t, first:last], weight, ONE)
        for row in range(first, last):
            c, c_after = cells[t, row], cells[t + 1, row]
            bounded, h_after = tanh_c[t, row], states[t + 1, row]
            gate_i, gate_f, gate_g, gate_o = _quarters(gates[t, row])
            for j in range(len(c)):
                i, f, g = sigmoid(gate_i[j]), sigmoid(gate_f[j]), tanh(gate_g[j])
                o = sigmoid(gate_o[j])
                new = f * c[j] + i * g
                b = tanh(new)
                gate_i[j], gate_f[j], gate_g[j], gate_o[j] = i, f, g, o
                c_after[j], bounded[j], h_after[j] = new, b, o * b


@by_numba
def lstm_backward(sgemm, grad_states, grad_c, cells, gates, tanh_c, grad_x, weight, first, last):
    for t in range(len(gates) - 1, -1, -1):
        for row in range(first, last):
            c, bounded = cells[t, row], tanh_c[t, row]
            grad_h, grad_cell = grad_states[t + 1, row], grad_c[row]
            gate_i, gate_f, gate_g, gate_o = _quarters(gates[t, row])
            grad_i, grad_f, grad_g, grad_o = _quarters(grad_x[t, row])
            for j in range(len(c)):
                i, f, g, o, b = gate_i[j], gate_f[j], gate_g[j], gate_o[j], bounded[j]
                grad = grad_cell[j] + grad_h[j] * o * (ONE - b * b)
                grad_i[j] = grad * g * i * (ONE - i)
                grad_f[j] = grad * c[j] * f * (ONE - f)
                grad_g[j] = grad * i * (ONE - g * g)
                grad_o[j] = grad_h[j] * b * o * (ONE - o)
                grad_cell[j] = grad * f
        product(sgemm, grad_states[t, first:last], grad_x[t, first:last], weight, ONE)
