"""Candidates compared on held-out rows."""
