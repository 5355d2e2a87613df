"""Rows, their tokens and targets as one step's tensors. The ladder's second rung: it knows no model."""
