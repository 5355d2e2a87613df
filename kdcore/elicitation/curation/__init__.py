"""Curation: questions and answers from topics and documents alone (survey §3.1.3)."""
