"""Hypothesis settings: the same examples on every run, and what reproduces a failure is printed."""

from hypothesis import settings

settings.register_profile("ci", derandomize=True, print_blob=True, deadline=None, database=None)
settings.load_profile("ci")
