"""The app as a process: to whom it listens, what it leaves behind, and whom its files are for."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request

import psutil

from kdcore.settings import workspace
from kdcore.ui.launch import free_port


def test_a_workspace_is_of_this_account_alone(tmp_path):
    folders = workspace(tmp_path / "ws").make()
    assert stat.S_IMODE(os.stat(folders.root).st_mode) == 0o700
    done = subprocess.run(
        [sys.executable, "-c", "from kdcore.cli import main; main(['samples', '--project', 'x', '--json'])"],
        env={**os.environ, "KD_WORKSPACE": str(tmp_path / "other")},
        capture_output=True,
    )
    assert done.returncode == 2
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "other").rglob("*")}
    assert modes <= {0o600, 0o700}


def test_ending_kd_ui_ends_the_server(tmp_path):
    port = free_port(18_501)
    command = [sys.executable, "-m", "kdcore.cli", "ui", "--port", str(port), "--workspace", str(tmp_path / "ws")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2)
                break
            except OSError:
                time.sleep(0.1)
        listening = [c.laddr.ip for c in psutil.Process(process.pid).net_connections() if c.status == "LISTEN"]
        assert listening and set(listening) <= {"127.0.0.1", "::1"}
        tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(signal.SIGTERM)
        process.wait(15)
        assert psutil.wait_procs(tree, timeout=5)[1] == []
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
    finally:
        process.kill()
        process.wait()
