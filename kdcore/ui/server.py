"""Whether this server may show a workspace: to whom it listens, and with which guards on."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from kdcore.errors import ConfigError


def refuse_open_server(option: Callable[[str], Any]) -> None:
    """Raise ConfigError where a server's options would let strangers in; ``option`` tells the value of one."""
    address = str(option("server.address") or "")
    if not _is_loopback(address) and not option("server.trustedUserHeaders"):
        raise ConfigError(
            f"this app listens on {address or 'every address of this machine'}, where anybody in the network can "
            "open it without signing in; start it by kd ui, or with --server.address localhost, or put a proxy "
            "before it that signs people in and name its header in server.trustedUserHeaders."
        )
    for name, wanted in (
        ("server.enableXsrfProtection", True), ("server.enableCORS", True), ("server.enableAgentApi", False),
    ):  # fmt: skip
        if bool(option(name)) is not wanted:
            raise ConfigError(
                f"{name} is {'off' if wanted else 'on'}, so other pages and programs of this machine could use this "
                f"app in your name; start it with {name} {'on' if wanted else 'off'}."
            )


def _is_loopback(address: str) -> bool:
    try:
        return address == "localhost" or ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False
