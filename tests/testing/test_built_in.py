"""The components that come with seqlab keep every promise of their kind."""

from __future__ import annotations

import pytest

from seqlab.testing import (
    Subject,
    decoders,
    embeddings,
    evaluation_methods,
    exporters,
    heads,
    look_at,
    metrics,
    objectives,
    observers,
    optimizers,
    schedules,
)
from seqlab.testing.collection import checks_in

MODULES = {
    "decoder": decoders,
    "embedding": embeddings,
    "evaluation_method": evaluation_methods,
    "exporter": exporters,
    "head": heads,
    "metric": metrics,
    "objective": objectives,
    "observer": observers,
    "optimizer": optimizers,
    "schedule": schedules,
}
NEEDED = {
    "constrained": "llguidance",
    "hub": "huggingface_hub",
    "onnx": "onnxscript",
    "tensorboard": "tensorboard",
}
CHAIN = [{"schedule": {"name": "constant", "warmup": 3}, "steps": 5}, {"schedule": "linear"}]
BUILT_IN = {
    "decoder": [
        ("greedy", {}),
        ("sample", {}),
        ("sample", {"temperature": 0.01}),
        ("sample", {"temperature": 100.0}),
        ("sample", {"top_k": 3}),
        ("sample", {"top_p": 0.7, "min_p": 0.1}),
        ("sample", {"repetition_penalty": 1.3, "presence_penalty": 0.5, "frequency_penalty": 0.2}),
        ("sample", {"no_repeat": 1}),
        ("sample", {"no_repeat": 3}),
        ("typical", {}),
        ("typical", {"mass": 0.2, "temperature": 0.7}),
        ("beam", {}),
        ("beam", {"beams": 1}),
        ("beam", {"beams": 9, "length_penalty": 0.8}),
        ("mirostat", {}),
        ("mirostat", {"surprisal": 0.5, "rate": 1.0, "temperature": 0.5}),
        ("contrastive", {}),
        ("contrastive", {"candidates": 3, "penalty": 0.0}),
        ("constrained", {}),
        ("constrained", {"inner": "mirostat"}),
        ("constrained", {"pattern": "[一-鿿]{3,7}(丁|七)?", "inner": "sample"}),
        ("speculative", {}),
        ("speculative", {"tokens": 2, "temperature": 0.0}),
    ],
    "embedding": [
        ("one_hot", {}),
        ("learned", {"size": 8}),
        ("learned", {"size": 8, "word_dropout": 0.5, "range": 0.1}),
        ("character_cnn", {}),
        ("character_cnn", {"widths": [1, 9], "highways": 0, "longest": 1}),
    ],
    "evaluation_method": [
        ("dynamic", {}),
        ("dynamic", {"form": "rms", "decay": 0.01, "segment": 3, "statistics": 10}),
        ("neural_cache", {}),
        ("neural_cache", {"size": 3, "share": 0.5, "flatness": 0.0}),
        ("kn_interpolated", {}),
        ("kn_interpolated", {"order": 1}),
        ("kn_interpolated", {"order": 3, "network": 0.5}),
    ],
    "exporter": [
        ("folder", {}),
        ("folder", {"license": "mit"}),
        ("hub", {"repo": "me/model"}),
        ("onnx", {}),
        ("torch_export", {}),
    ],
    "head": [
        ("linear", {}),
        ("sampled_softmax", {}),
        ("sampled_softmax", {"samples": 5, "power": 0.0}),
        ("adaptive_softmax", {}),
        ("adaptive_softmax", {"cutoffs": [5, 10, 20], "divisor": 1.5, "bias": True}),
        ("mixture_of_softmaxes", {}),
        ("mixture_of_softmaxes", {"softmaxes": 2}),
    ],
    "metric": [
        ("accuracy", {}),
        ("calibration_error", {}),
        ("calibration_error", {"bins": 3}),
        ("top_k", {}),
        ("top_k", {"k": 1}),
    ],
    "objective": [
        ("answers_only", {}),
        ("distillation", {}),  # which needs a teacher: tests/training/test_objectives.py
        ("hidden_answers", {}),
        ("masked", {}),
        ("masked", {"share": 0.9, "random": 0.5, "kept": 0.5}),
        ("multi_token", {}),
        ("multi_token", {"tokens": 2, "factor": 0.5}),
        ("next_token", {}),
        ("next_token", {"label_smoothing": 0.1, "z_loss": 0.001}),
        ("next_token", {"activation": 2.0, "temporal_activation": 1.0}),
        ("unlikelihood", {}),
        ("unlikelihood", {"factor": 0.0}),
    ],
    "observer": [
        ("console", {}),
        ("console", {"every": 1, "step_interval": 5}),
        ("csv", {}),
        ("gradient_spikes", {}),
        ("gradient_spikes", {"steps": 2}),
        ("tensorboard", {}),
    ],
    "optimizer": [
        *[(name, {}) for name in ("adagrad", "adam", "adamw", "lion", "muon", "rmsprop", "sgd")],
        *[(name, {"weight_decay": 0.1}) for name in ("adam", "adamw", "lion", "muon", "sgd")],
        *[(name, {"momentum": 0.9}) for name in ("rmsprop", "sgd")],
        ("schedule_free_adamw", {}),
        ("schedule_free_adamw", {"weight_decay": 0.1, "warmup": 3}),
        *[("asgd", options) for options in ({}, {"start": 0}, {"start": 3, "weight_decay": 0.1})],
        ("groups", {}),
        ("groups", {"base": "asgd"}),
        ("groups", {"base": "schedule_free_adamw"}),
        ("groups", {"groups": [{"match": ["*"], "lr": 0.1}]}),
        ("lookahead", {}),
        ("lookahead", {"base": "muon"}),
        ("lookahead", {"base": "sam"}),
        ("sam", {}),
        ("sam", {"base": "muon", "rho": 0.5, "adaptive": True}),
        ("sam", {"base": "groups"}),
        ("sam", {"base": "schedule_free_adamw"}),
    ],
    "schedule": [
        *[(name, {}) for name in ("constant", "cosine", "linear", "one_cycle", "plateau")],
        *[(name, {"warmup": 5, "final": 0.1}) for name in ("cosine", "linear")],
        *[(name, {}) for name in ("step", "exponential", "inverse_square_root")],
        ("slanted_triangular", {}),
        *[(name, {"unit": "steps"}) for name in ("step", "exponential")],
        ("step", {"every": 3, "first": 5, "factor": 0.1}),
        ("inverse_square_root", {"warmup": 5}),
        ("slanted_triangular", {"rising": 0.3, "ratio": 10.0}),
        ("constant", {"warmup": 5}),
        ("plateau", {"patience": 0}),
        ("warmup_stable_decay", {}),
        ("chain", {"phases": CHAIN}),
        ("chain", {"phases": [{"schedule": "cosine"}, {"schedule": "one_cycle"}]}),
        ("chain", {"phases": [{"schedule": "step", "steps": 8}, {"schedule": "exponential"}]}),
    ],
}


@pytest.mark.parametrize(
    ("kind", "name", "options"), [(kind, *row) for kind, rows in BUILT_IN.items() for row in rows]
)
def test_every_option_keeps_every_promise(registry, kind, name, options):
    if package := NEEDED.get(name):
        pytest.importorskip(package)
    subject = Subject.of_component(registry.find(kind, name), options)
    checks = checks_in(MODULES[kind])
    assert [r for check in checks if (r := look_at(check, subject)).verdict == "broken"] == []


@pytest.mark.parametrize("kind", BUILT_IN)
def test_no_component_is_left_out(registry, kind):
    names = {component.name for component in registry.components(kind)}
    assert names == {name for name, _ in BUILT_IN[kind]}
