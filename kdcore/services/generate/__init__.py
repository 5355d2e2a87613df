"""Asking the teacher: runs, what they amount to, routing."""
