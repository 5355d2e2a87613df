"""The loop, its checkpoints, its guard and the check before it. Sixth rung of the ladder."""
