"""Expansion: the teacher writes new questions from given ones, then answers them (survey §3.1.2)."""
