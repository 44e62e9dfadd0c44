"""Intervals and paired comparison, in plain functions of numpy arrays."""
