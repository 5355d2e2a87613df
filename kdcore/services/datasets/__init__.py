"""Dataset versions: frozen, compared, and whose token probabilities their rows have."""
