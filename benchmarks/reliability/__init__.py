"""What a run survives: `python -m benchmarks.reliability` prints the table of docs/reliability.md.

One module for each row of the table. Each has a `check(share)` that does the whole test, scaled
down by the share, and says what it found.
"""
