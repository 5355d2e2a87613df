"""Self-knowledge: a model teaches itself, by filters, votes, principles and pairs (survey §3.1.6)."""
