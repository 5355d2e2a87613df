"""``python -m kdcore.workers.distill RUN_DIR``: train a student, a judge or an encoder."""
