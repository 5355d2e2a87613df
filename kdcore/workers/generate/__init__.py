"""``python -m kdcore.workers.generate RUN_DIR``: ask the teacher what a run lacks."""
