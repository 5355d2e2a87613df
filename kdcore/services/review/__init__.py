"""Judging samples, one at a time or many at once."""
