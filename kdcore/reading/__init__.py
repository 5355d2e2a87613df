"""Files that people bring → rows with named fields, nothing altered or dropped without a word. For a limited child."""
