"""Files that people bring → rows with named fields, nothing dropped without a word. For a limited child."""
