"""Start the app on the first free port, on this machine only."""

from __future__ import annotations

import os
import re
import socket
import sys

from kdcore.errors import ConfigError
from kdcore.resources import APP, HOME
from kdcore.settings import WORKSPACE_VARIABLE, Workspace

TRIES = 50


def free_port(first: int) -> int:
    """The first port from ``first`` on that nobody listens on."""
    for port in range(first, first + TRIES):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ConfigError(f"no port from {first} to {first + TRIES - 1} is free; give another --port.")


def launch(folders: Workspace, port: int, *, sample: bool = False, host: str = "") -> None:
    """Run Streamlit until it is stopped; with ``sample`` the sample project is made first.

    ``host`` is the name under which a proxy of this machine passes people on.
    """
    if sample:
        _plan_sample(folders)
    chosen = free_port(port)
    if chosen != port:
        print(f"port {port} is taken, using {chosen}", file=sys.stderr)
    print(f"open http://localhost:{chosen}", file=sys.stderr, flush=True)
    command = command_of(chosen, host)
    os.chdir(HOME)
    # In place of this process: a signal that ends ``kd ui`` ends the server itself, which lets the workspace go.
    os.execve(sys.executable, command, {**os.environ, WORKSPACE_VARIABLE: str(folders.root)})


def command_of(port: int, host: str = "") -> list[str]:
    """The server, on this machine only; another page may speak to it under no name but ``host``."""
    command = [sys.executable, "-m", "streamlit", "run", str(APP)]
    command += ["--server.port", str(port), "--server.address", "localhost", "--server.headless", "true"]
    if host:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host):
            raise ConfigError(
                f"--host is {host!r}; give a plain name such as kd.example.org, without https:// or a port."
            )
        command += ["--browser.serverAddress", host]
        for name in ("localhost", "127.0.0.1", "[::1]", host):
            command += ["--server.allowedHosts", name]
    return command


def _plan_sample(folders: Workspace) -> None:
    """Make the sample project with its plan, unless the workspace has any project already."""
    from kdcore.services import main_job, projects
    from kdcore.services.workspace import App

    app = App(folders)
    try:
        if not projects.list_projects(app):
            main_job.create(app, rows=120)
    finally:
        app.close()
