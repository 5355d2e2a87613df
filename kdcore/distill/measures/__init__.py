"""What is read off a training: held-out measures and the figures of a step. Fifth rung of the ladder."""
