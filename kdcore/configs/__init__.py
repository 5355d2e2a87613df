"""Frozen configs: plain data that serialises to a run folder and draws a form; they never act."""
