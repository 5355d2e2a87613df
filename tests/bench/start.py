"""`make bench-start`: from the command to the first drawn page in Chromium, and the app's memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

from kdcore.ui.launch import free_port
from tests.bench.report import line, show
from tests.e2e.browser import ROOT, browser_page


def main() -> None:
    """The browser is open and waiting; the clock starts with the server process."""
    with tempfile.TemporaryDirectory() as folder, browser_page() as page:
        seconds: list[float] = []
        memory: list[float] = []
        for number in range(3):
            port = free_port(8650)
            command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.headless", "true"]
            command += ["--server.port", str(port), "--server.address", "localhost"]
            environment = {**os.environ, "KD_WORKSPACE": str(Path(folder) / f"ws{number}")}
            started = time.perf_counter()
            server = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                _wait_for(port)
                page.goto(f"http://localhost:{port}/")
                page.get_by_text("Create project").first.wait_for()
                seconds.append(time.perf_counter() - started)
                memory.append(psutil.Process(server.pid).memory_info().rss / 1e6)
            finally:
                server.terminate()
                server.wait()
    show(
        [
            line("start/first page", sorted(seconds)[1], None, "s", 3.0, lower_is_better=True),
            line("start/memory", max(memory), None, "MB", 300.0, lower_is_better=True),
        ]
    )


def _wait_for(port: int) -> None:
    while True:
        try:
            urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1)
            return
        except OSError:
            time.sleep(0.02)


if __name__ == "__main__":
    main()
