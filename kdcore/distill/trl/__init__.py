"""Trainings that TRL and transformers run, each beside no other slice. The ladder's last rung."""
