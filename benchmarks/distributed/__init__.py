"""One run on many processes: equal bits, failures, and what the messages between them cost.

`python -m benchmarks.distributed` prints a table of checks, each with its bar, and tables of times.
"""
