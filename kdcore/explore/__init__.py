"""From texts to a map: embed, project, cluster, title. Arrays in, arrays out; no files, no store."""
