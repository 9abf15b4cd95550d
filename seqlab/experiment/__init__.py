"""YAML in -> Experiment out."""

from seqlab.experiment.reading import Experiment, read_experiment

__all__ = ["Experiment", "read_experiment"]
