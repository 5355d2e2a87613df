"""Check a training recipe before it starts: ``workers.distill`` without the training."""

from __future__ import annotations

from kdcore.workers.base import run_worker
from kdcore.workers.distill.kinds import preflight

if __name__ == "__main__":
    run_worker(preflight)
