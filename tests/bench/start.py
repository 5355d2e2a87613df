"""`make bench-start`: from the command to the first drawn page in Chromium, and the app's memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from kdcore.ui.launch import free_port
from tests.bench.report import line, show
from tests.e2e.browser import ROOT, browser_page

BARE = """
import streamlit as st
st.title("A page")
st.button("Create project")
"""


def main() -> None:
    """The browser is open and waiting; the clock starts with the server process. A bare page is started in turns."""
    with tempfile.TemporaryDirectory() as folder, browser_page() as page:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        seconds: dict[str, list[float]] = {"ours": [], "bare": []}
        memory: list[float] = []
        for number in range(3):
            for name, script in (("ours", ROOT / "app.py"), ("bare", bare)):
                spent, used = _started(page, script, Path(folder) / f"ws{number}")
                seconds[name].append(spent)
                memory += [used] if name == "ours" else []
    ours, peer = sorted(seconds["ours"])[1], sorted(seconds["bare"])[1]
    show(
        [
            line("start/first page against a bare Streamlit page", ours, peer, "s", 0.5, lower_is_better=True),
            line("start/memory", max(memory), None, "MB", 300.0, lower_is_better=True),
        ]
    )


def _started(page: Any, script: Path, root: Path) -> tuple[float, float]:
    """Seconds from the command to the first drawn page, and the server's memory in MB."""
    port = free_port(8650)
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless", "true"]
    command += ["--server.port", str(port), "--server.address", "localhost"]
    started = time.perf_counter()
    server = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "KD_WORKSPACE": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        page.goto(f"http://localhost:{port}/")
        page.get_by_text("Create project").first.wait_for()
        return time.perf_counter() - started, psutil.Process(server.pid).memory_info().rss / 1e6
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    while True:
        try:
            urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1)
            return
        except OSError:
            time.sleep(0.02)


if __name__ == "__main__":
    main()
