"""The components of strangers, with the options that they are tried with."""

from __future__ import annotations

RNN = {"name": "rnn", "hidden_size": 8}
LYRICS = {"name": "original_lyrics", "max_characters": 1500}
PAIRS = [{"prompt": f"{n} + 1 = ", "chosen": f"{n + 1}\n", "rejected": f"{n}\n"} for n in range(24)]

COMPONENTS = [
    ("cell", "zoned", {"inner": RNN}),
    ("cell", "dropped_weights", {"inner": RNN}),
    ("cell", "highway", {"inner": RNN}),
    ("cell", "clockwork", {"hidden_size": 8, "periods": [1, 2, 4, 8]}),
    ("cell", "stabilised_lstm", {"hidden_size": 5}),
    ("cell", "gated_convolution", {"hidden_size": 6, "width": 3}),
    ("cell", "mixture_of_experts", {"experts": 3}),
    ("embedding", "byte_convolution", {"size": 12}),
    ("embedding", "hashed", {"size": 12, "buckets": 16}),
    ("embedding", "bigrams", {"inner": {"name": "learned", "size": 12}}),
    ("head", "mixed_softmaxes", {}),
    ("head", "adaptive", {}),
    ("objective", "focal", {}),
    ("objective", "activation_regularised", {}),
    ("objective", "in_window_contrast", {}),
    ("objective", "corrupted", {"corruption": "swapped_neighbours"}),
    ("objective", "tagging", {"tags": "abcdefghijklmnop"}),
    ("objective", "preference", {}),
    ("objective", "r_drop", {}),
    ("corruption", "other_tokens", {}),
    ("corruption", "swapped_neighbours", {}),
    ("decoder", "dont_repeat", {"inner": "mirostat"}),
    ("decoder", "eta", {}),
    ("decoder", "steady_temperature", {}),
    ("decoder", "diverse_beam", {}),
    ("optimizer", "soap", {}),
    ("optimizer", "sophia", {}),
    ("optimizer", "adan", {}),
    ("optimizer", "cautious", {}),
    ("optimizer", "averaged", {}),
    ("schedule", "warmed_up", {}),
    ("schedule", "restarted", {}),
    ("sampler", "curriculum", {"batch_size": 4, "window": 9}),
    ("sampler", "side_by_side", {"batch_size": 4, "window": 9}),
    ("sampler", "pairs", {"pairs": 3, "window": 9}),
    ("sampler", "twice", {"inner": {"name": "documents", "batch_size": 3, "window": 9}}),
    ("corpus", "deduplicated", {"inner": LYRICS}),
    ("corpus", "filtered", {"inner": LYRICS}),
    ("corpus", "lower_cased", {"inner": LYRICS}),
    ("corpus", "tagged", {"inner": LYRICS}),
    ("corpus", "preference_pairs", {"path": "pairs.jsonl"}),
    ("tokenizer", "byte_fallback", {}),
    ("observer", "too_slow", {}),
    ("observer", "norm_log", {"every": 2}),
    ("metric", "mean_rank", {}),
    ("evaluation_method", "descent", {}),
    ("exporter", "numpy_arrays", {}),
]
SLOW = {"curriculum", "side_by_side", "zoned"}
"""Those whose promises take seconds to check."""
