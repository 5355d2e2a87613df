"""Feedback: the teacher judges, ranks or mends answers that are there (survey §3.1.5)."""
