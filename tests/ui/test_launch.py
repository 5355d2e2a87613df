"""Behind a proxy: the app answers under the name that it was given, and refuses a page of any other."""

import asyncio
import configparser
import os
import shlex
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from kdcore.cli.program import build_parser
from kdcore.errors import ConfigError
from kdcore.resources import HOME
from kdcore.ui.launch import command_of, free_port

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.processes
def test_a_handshake_passes_under_the_given_name_only(tmp_path):
    port = free_port(8750)
    environment = {**os.environ, "KD_WORKSPACE": str(tmp_path / "ws")}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command_of(port, "kd.example.org"), cwd=HOME, env=environment, stdout=quiet, stderr=quiet
    ) as server:
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                    break
                except OSError:
                    time.sleep(0.1)
            found = {
                (host, origin): asyncio.run(_answer(port, host, origin))
                for host, origin in (
                    ("kd.example.org", "https://kd.example.org"),
                    (f"localhost:{port}", f"http://localhost:{port}"),
                    ("kd.example.org", "https://evil.example"),
                    ("evil.example", "https://evil.example"),
                )
            }
        finally:
            server.terminate()
    assert list(found.values()) == [101, 101, 403, 403], found


async def _answer(port: int, host: str, origin: str) -> int:
    try:
        address = f"ws://{host}/_stcore/stream"
        async with connect(address, host="127.0.0.1", port=port, origin=origin, subprotocols=["streamlit"]):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize("host", ["https://kd.example.org", "kd.example.org:443", "*", "a b", "-x", "x/"])
def test_a_name_is_a_plain_one(host):
    with pytest.raises(ConfigError, match="plain name"):
        command_of(8501, host)


def test_the_unit_starts_a_command_that_there_is():
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(DEPLOY / "kd.service")
    _, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert build_parser().parse_args(arguments).command == "ui"
    assert unit["Service"]["KillMode"] == "process", "trainings go on"


def test_the_container_copies_what_the_package_is_made_of():
    copied = {
        word
        for line in (DEPLOY / "Containerfile").read_text().splitlines()
        if line.startswith("COPY")
        for word in line.split()[1:-1]
    }
    assert {"pyproject.toml", "app.py", "pages", "data", "docs/guide", "kdcore", ".streamlit"} <= copied
    assert all((DEPLOY.parent / name).exists() for name in copied)
