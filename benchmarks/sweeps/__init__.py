"""Sweeps: killed, without their journal, on a database, and what a trial costs."""
