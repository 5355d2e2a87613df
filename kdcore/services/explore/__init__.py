"""Looking at samples: views, checks, maps, concepts, duplicates, tags, SQL."""
