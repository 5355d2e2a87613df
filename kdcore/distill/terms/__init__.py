"""What a recipe's slices teach: divergences in chunks, rankings, inner states. Fourth rung of the ladder."""
