"""Training a student: pure losses, one readable loop, checkpoints that are whole or absent."""
