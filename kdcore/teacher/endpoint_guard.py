"""Which addresses an endpoint may have, and where its key comes from.

One parser reads the address for the check and for the call, the name is resolved once, and the connection goes
to the very address that was checked; redirects are not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
import stat
from pathlib import Path

import httpx2 as httpx

from kdcore.configs.teacher import TeacherConfig
from kdcore.errors import ConfigError
from kdcore.settings import user_path

ALLOWED = "KD_ALLOWED_ORIGINS"
KEYS = Path("~/.config/kd/keys")


def check_address(base_url: str) -> tuple[httpx.URL, str]:
    """``(the parsed address, the IP to connect to)``. Raises ConfigError for one that may not be asked."""
    try:
        url = httpx.URL(base_url.strip().rstrip("/"))
    except (httpx.InvalidURL, ValueError) as exc:
        raise ConfigError(f"the endpoint address {shown(base_url)} can't be read: {exc}.") from exc
    plain = url.scheme in {"http", "https"} and url.host and not url.userinfo and "\\" not in base_url
    if not plain or url.query or url.fragment:
        raise ConfigError(
            f"the endpoint address {shown(base_url)} is not usable; expected something like http://localhost:8000/v1."
        )
    is_listed = _check_origin(url)
    address = _resolve(url)
    if address.is_loopback:
        return url, str(address)
    if any(_is_forbidden(each) for each in (address, *_embedded(address))):
        raise ConfigError(f"the endpoint {url.host} is at {address}, where no model server may be asked.")
    if url.scheme != "https":
        raise ConfigError(f"the endpoint {url.host} is not on this machine, so keys and text need https:// to it.")
    if not all(each.is_global for each in (address, *_embedded(address))) and not is_listed:
        raise ConfigError(
            f"the endpoint {url.host} is in a private network ({address}); who runs this app allows it by "
            f"{ALLOWED}={_origin(url)}."
        )
    return url, str(address)


Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# where clouds tell a machine its own keys; some of them count as private or as global
METADATA = frozenset(
    ipaddress.ip_address(each)
    for each in (
        "169.254.169.254",
        "169.254.170.2",
        "fd00:ec2::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _is_forbidden(address: Address) -> bool:
    plain = address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved
    return plain or address in METADATA


def _embedded(address: Address) -> list[Address]:
    """IPv4 addresses that an IPv6 address leads to: by 6to4, Teredo or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address | None] = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _check_origin(url: httpx.URL) -> bool:
    """Whether the address is on the list of those allowed; raises ConfigError where there is one without it."""
    allowed = [origin.strip().rstrip("/") for origin in os.environ.get(ALLOWED, "").split(",") if origin.strip()]
    if allowed and _origin(url) not in allowed:
        raise ConfigError(f"the endpoint {_origin(url)} is not among those allowed here ({', '.join(allowed)}).")
    return bool(allowed)


def _resolve(url: httpx.URL) -> Address:
    try:
        found = socket.getaddrinfo(url.host, url.port or 0, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise ConfigError(f"the endpoint {url.host} has no address here ({exc}); check its name.") from exc
    address = ipaddress.ip_address(str(found[0][4][0]).partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


class PinnedTransport(httpx.AsyncHTTPTransport):
    """Connects to one checked address whatever the name says later; TLS still checks the name."""

    def __init__(self, address: str, verify: ssl.SSLContext | bool = True) -> None:
        super().__init__(verify=verify)
        self._address = address

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the pinned address."""
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host=self._address)  # the Host header was set from the name before
        return await super().handle_async_request(request)


def read_key(config: TeacherConfig) -> str:
    """The endpoint's key, by reference only; "" where none is named. Raises ConfigError with what to do."""
    if config.api_key_env:
        if key := os.environ.get(config.api_key_env):
            return key
        raise ConfigError(f"the environment variable {config.api_key_env} is not set; set it to the endpoint's key.")
    if not config.api_key_file:
        return ""
    path = user_path(KEYS) / config.api_key_file
    try:
        with open(path, opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW)) as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigError(f"others can read the key file {path}; run: chmod 600 {path}")
            return file.read().strip()
    except OSError as exc:
        raise ConfigError(
            f"the key file {path} can't be read ({exc.strerror}); put the endpoint's key there."
        ) from exc


def shown(base_url: str) -> str:
    """An address as it may be repeated: one that is none may be a key in the wrong field."""
    try:
        url = httpx.URL(base_url.strip())
    except (httpx.InvalidURL, ValueError):
        return "that was given"
    return f"{url.scheme}://{url.netloc.decode('ascii')}{url.path}" if url.scheme and url.host else "that was given"


def client_of(config: TeacherConfig, key: str, address: str) -> httpx.AsyncClient:
    """A client of one endpoint: its key, headers and query, through a proxy only where one is named."""
    headers = dict(config.headers)
    if key:
        headers[config.key_header or "Authorization"] = key if config.key_header else f"Bearer {key}"
    if strange := [name for name in config.headers if name.lower() in ("authorization", "api-key", "x-api-key")]:
        raise ConfigError(f"the header {strange[0]} carries a key; name the key by api_key_env and its key_header.")
    verify = _certificates(config.ca_file)
    timeout = httpx.Timeout(config.timeout_s, connect=10.0)
    if config.proxy:
        # The proxy resolves the name, so an address can't be pinned: who names one trusts it.
        return httpx.AsyncClient(
            proxy=config.proxy, verify=verify, headers=headers, params=config.query, timeout=timeout, trust_env=False,
            follow_redirects=False,
        )  # fmt: skip
    # trust_env off: a proxy from the environment would be asked to connect in our place.
    return httpx.AsyncClient(
        transport=PinnedTransport(address, verify), headers=headers, params=config.query, timeout=timeout,
        trust_env=False, follow_redirects=False,
    )  # fmt: skip


TRY_S = 10.0


def try_endpoint(config: TeacherConfig) -> None:
    """Ask an endpoint for its models, which costs nothing. Raises ConfigError where nobody answers.

    Servers that have no such list answer with another status; that they answer is enough.
    """
    key = read_key(config)
    url, address = check_address(config.base_url)

    async def status() -> int:
        async with client_of(config.model_copy(update={"timeout_s": TRY_S}), key, address) as client:
            return (await client.get(f"{url}/models")).status_code

    try:
        found = asyncio.run(status())
    except httpx.HTTPError as exc:
        raise ConfigError(
            f"the endpoint {shown(config.base_url)} does not answer ({type(exc).__name__}); check that it runs, its "
            "address and your network."
        ) from exc
    if found in (401, 403):
        named = config.api_key_env or config.api_key_file
        what = f"the key of {named}" if named else "calls without a key; name one by api_key_env"
        raise ConfigError(f"the endpoint {shown(config.base_url)} refuses {what} (HTTP {found}).")


def _certificates(path: str) -> ssl.SSLContext | bool:
    if not path:
        return True
    try:
        return ssl.create_default_context(cafile=str(user_path(path)))
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(f"the certificates in {path} can't be read ({exc}); give a file in PEM form.") from exc
