"""The tables of docs/arena.md: rows of sweeps, kept as JSON beside this file."""
