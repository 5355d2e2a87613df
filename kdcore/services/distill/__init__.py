"""Training runs: recipes, input, sweeps, rounds."""
