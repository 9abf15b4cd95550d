"""Runs: how one is made, where it lies, how it is opened and resumed."""
