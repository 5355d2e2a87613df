"""What is taken away: dataset versions and students."""
