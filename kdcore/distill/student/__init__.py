"""The model that learns: how it is built, run forward, sampled from and written away. Third rung of the ladder."""
