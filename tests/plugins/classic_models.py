"""The models of the classics in plain operations, a step at a time.

Shapes: B rows, T window, E embedding size, H hidden size, K softmaxes, V vocabulary size. A state
is a list with an entry a layer; None: the rows are fresh. `noise(values)` multiplies by the mask
that the run drew next.
"""

from __future__ import annotations

import re

import torch
from torch.nn import functional

from .test_character_cnn import slow_vector


def plain_rnn(w, x, state):
    (h,) = state
    h = (
        x @ w["weight_ih_l0"].T + w["bias_ih_l0"] + h @ w["weight_hh_l0"].T + w["bias_hh_l0"]
    ).tanh()
    return (h,)


def remembered(gates, c):
    i, f, g, o = gates.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def lstm(w, x, state):
    h, c = state
    read = x @ w["weight_ih_l0"].T + w["bias_ih_l0"]
    return remembered(read + h @ w["weight_hh_l0"].T + w["bias_hh_l0"], c)


def mogrifier(w, x, state):
    h, c = state
    for number in range(5):
        low, high = (w[f"rounds.{number}.{part}.weight"] for part in (0, 1))
        if number % 2:
            h = 2 * (x @ low.T @ high.T).sigmoid() * h
        else:
            x = 2 * (h @ low.T @ high.T).sigmoid() * x
    return remembered(x @ w["inputs.weight"].T + w["inputs.bias"] + h @ w["recurrent.weight"].T, c)


def multiplicative(w, x, state):
    h, c = state
    read, size = x @ w["project.weight"].T + w["project.bias"], h.shape[1]
    m = read[:, :size] * (h @ w["factor.weight"].T)
    return remembered(read[:, size:] + m @ w["recurrent.weight"].T, c)


STEPS = {"rnn": plain_rnn, "lstm": lstm, "mogrifier": mogrifier, "multiplicative": multiplicative}


SHORT_NAME = re.compile(r"(weight|bias)_.h_l0$|(project|recurrent|factor|inputs|rounds)\.")


def layers_of(weights):
    """The weights of each layer, by their short names."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    for name, weight in weights.items():
        if place := re.search(
            r"(weight|bias)_.h_l0$|(project|recurrent|factor|inputs|rounds)\.", name
        ):
            found.setdefault(name[: place.start()], {})[name[place.start() :]] = weight
    return [found[prefix] for prefix in sorted(found)]


def vectors(weights, ids, words, recipe, noise):
    """(B, T, E) the inputs of the first layer."""
    if recipe.embedding == "one_hot":
        return functional.one_hot(ids, len(words)).double()
    table = weights.get("embedding.weight")
    if recipe.embedding == "characters":
        own = {name.removeprefix("embedding."): weight for name, weight in weights.items()}
        known = {*"".join(word.strip(" ") for word in words)}
        longest = max(len(word.strip(" ")) for word in words) + 2
        table = torch.stack([slow_vector(word, known, own, longest) for word in words])
    drawn = noise(table.new_ones(len(table), 1)) if "words" in recipe.noise else 1
    values = (table * drawn)[ids]
    return noise(values, locked=recipe.locked) if "embedding" in recipe.noise else values


def window(layer, values, state, recipe, noise):
    """(B, T, H) the outputs of a layer, and its state after."""
    step = STEPS[recipe.cell]
    if "weights" in recipe.noise:
        layer = layer | {"weight_hh_l0": noise(layer["weight_hh_l0"])}
    if state is None:
        recurrent = layer.get("weight_hh_l0", layer.get("recurrent.weight"))
        fresh = values.new_zeros(len(values), recurrent.shape[1])
        state = (fresh,) if recipe.cell == "rnn" else (fresh, fresh)
    outputs = []
    for x in values.unbind(1):
        state = step(layer, x, state)
        outputs.append(state[0])
    return torch.stack(outputs, 1), state


def log_probabilities(weights, hidden, recipe):
    """(B, T, V) of the next token."""
    if recipe.head == "linear":
        return (hidden @ weights["head.weight"].T + weights["head.bias"]).log_softmax(-1)
    prior = (hidden @ weights["head.prior.weight"].T).softmax(-1)  # (B, T, K)
    latent = (hidden @ weights["head.latent.weight"].T + weights["head.latent.bias"]).tanh()
    mixed = 0.0
    for k, h in enumerate(latent.chunk(prior.shape[-1], -1)):
        logits = h @ weights["head.decoder.weight"].T + weights["head.decoder.bias"]
        mixed = mixed + prior[..., k : k + 1] * logits.softmax(-1)
    return mixed.log()


def losses_of(weights, batch, state, words, recipe, noise):
    """The mean of -ln p(target), what is minimised, and the state after."""
    values, after = vectors(weights, batch.inputs, words, recipe, noise), []
    for number, layer in enumerate(layers_of(weights)):
        if number and "between" in recipe.noise:
            values = noise(values, locked=recipe.locked)
        before = None if state is None else state[number]
        values, own = window(layer, values, before, recipe, noise)
        after.append(tuple(part.detach() for part in own))
    hidden = noise(values, locked=recipe.locked) if "outputs" in recipe.noise else values
    found = log_probabilities(weights, hidden, recipe)
    nats = -found.gather(-1, batch.targets.unsqueeze(-1)).mean()
    whole = nats
    if recipe.penalties:
        activation, change = recipe.penalties
        whole = whole + activation * hidden.square().mean()
        whole = whole + change * values.diff(dim=1).square().mean()
    return nats, whole, after
