"""Comparing models on held-out rows: measures with intervals, answers side by side."""
