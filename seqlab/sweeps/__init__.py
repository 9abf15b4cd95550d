"""A space of experiments in -> runs and a study out, on Optuna."""
