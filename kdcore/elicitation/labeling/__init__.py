"""Labeling: the input is given, the teacher writes the output (survey §3.1.1)."""
