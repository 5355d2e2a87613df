"""Check a training recipe before it starts: ``workers.distill`` without the training."""

from __future__ import annotations

from kdcore.workers.distill import preflight
from kdcore.workers.main import run_worker

if __name__ == "__main__":
    run_worker(preflight)
