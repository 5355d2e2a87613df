"""``python -m kdcore.workers.generate``: see ``job``."""

from kdcore.workers.base import run_worker
from kdcore.workers.generate.job import work

run_worker(work)
