"""``python -m kdcore.workers.distill``: see ``kinds``."""

from kdcore.workers.base import run_worker
from kdcore.workers.distill.kinds import work

run_worker(work)
