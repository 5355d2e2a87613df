"""Worker processes: ``python -m kdcore.workers.<kind> RUN_DIR --epoch N``. They never open DuckDB."""
