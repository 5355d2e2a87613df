"""To whom the app may listen, and with which guards."""

import tomllib

import pytest

from kdcore import resources
from kdcore.errors import ConfigError, is_full_disk
from kdcore.ui import server

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
