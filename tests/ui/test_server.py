"""To whom the app may listen, and with which guards."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
import tomllib
import urllib.request

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from kdcore import resources
from kdcore.errors import ConfigError, is_full_disk
from kdcore.settings import workspace
from kdcore.ui import frame, server
from kdcore.ui.launch import free_port

SAFE = {
    "server.address": "localhost",
    "server.trustedUserHeaders": {},
    "server.enableXsrfProtection": True,
    "server.enableCORS": True,
    "server.enableAgentApi": False,
}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"server.address": None}, "listens on every address"),
        ({"server.address": "0.0.0.0"}, "listens on 0.0.0.0"),
        ({"server.address": "::"}, "listens on ::"),
        ({"server.address": "192.168.1.5"}, "anybody in the network"),
        ({"server.address": "clinic.example"}, "anybody in the network"),
        ({"server.enableXsrfProtection": False}, "enableXsrfProtection is off"),
        ({"server.enableCORS": False}, "enableCORS is off"),
        ({"server.enableAgentApi": True}, "enableAgentApi is on"),
    ],
)
def test_a_server_that_lets_strangers_in_is_refused(changed, says):
    with pytest.raises(ConfigError, match=says):
        server.refuse_open_server((SAFE | changed).__getitem__)


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"])
def test_this_machine_alone_is_fine(address):
    server.refuse_open_server((SAFE | {"server.address": address}).__getitem__)


def test_behind_a_proxy_that_signs_people_in_any_address_is_fine():
    behind = SAFE | {"server.address": "0.0.0.0", "server.trustedUserHeaders": {"X-Forwarded-User": "email"}}
    server.refuse_open_server(behind.__getitem__)
    with pytest.raises(ConfigError, match="enableCORS"):
        server.refuse_open_server((behind | {"server.enableCORS": False}).__getitem__)


def test_started_by_streamlit_itself_it_listens_here_only():
    config = tomllib.loads((resources.HOME / ".streamlit/config.toml").read_text())
    assert config["server"]["address"] == "localhost"
    assert config["client"]["showErrorLinks"] is False, "no page offers to ask a stranger about an error"


def test_every_page_refuses_before_it_opens_the_workspace(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_WORKSPACE", str(tmp_path / "ws"))
    monkeypatch.setattr(server, "_is_loopback", lambda address: False)
    for page in (resources.HOME_PAGE, *sorted((resources.HOME / "pages").glob("*.py"))):
        test = AppTest.from_file(str(page)).run(timeout=30)
        assert ["anybody in the network" in error.value for error in test.error] == [True], page
    assert not (tmp_path / "ws").exists()


def test_a_database_that_cant_be_opened_gives_the_steps_to_take(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_WORKSPACE", str(tmp_path / "ws"))
    monkeypatch.setattr(frame, "open_app", lambda root: (_ for _ in ()).throw(RuntimeError("bad page 7")))
    test = AppTest.from_file(str(resources.HOME / "pages/3_Explore.py")).run(timeout=30)
    assert not test.exception and len(test.error) == 1
    assert "can't be opened (RuntimeError)" in test.error[0].value
    assert any("kd rebuild" in each.value for each in test.markdown)


def test_a_full_disk_is_known_wherever_it_is_met():
    assert is_full_disk(OSError(28, "No space left on device"))
    for error in (OSError(5, "Input/output error"), ValueError("x"), None):
        assert not is_full_disk(error)
    try:
        try:
            raise OSError(122, "Disk quota exceeded")
        except OSError as exc:
            raise RuntimeError("database") from exc
    except RuntimeError as exc:
        assert is_full_disk(exc)


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


@pytest.mark.processes
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
