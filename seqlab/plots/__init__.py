"""Rows of runs in -> pictures out: for a file, a terminal or a notebook."""
