"""Word files: their text, and the numbers that Word counts by itself."""
