"""Signed webhooks that cannot be turned against the network they are sent from.

An address is checked when it is given and again, with every IP address its name stands for, when
it is used; the connection goes to a checked IP address, so a name that changes in between (DNS
rebinding) reaches nothing. Redirects are not followed. Signatures follow the Standard Webhooks
specification (`webhook-id`, `webhook-timestamp`, `webhook-signature`).
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import os
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from engine.errors import ConfigurationError, EngineError, InvalidValueError
from engine.project import Webhooks

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

TIMEOUT_SECONDS = 5.0
MAX_RESPONSE_BYTES = 65_536
DEFAULT_PORTS = {"https": 443, "http": 80}
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Whatever IPv6 address is outside leads nowhere, into the own network, or to an IPv4 address.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# What clouds tell their machines, credentials among it, at addresses that pass for public ones.
CLOUD_SERVICES = (
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure
    ipaddress.IPv4Network("192.0.0.0/24"),  # Oracle
)

_TEMPLATE = re.compile(r"\$\{\{\s*env\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class DeliveryError(EngineError):
    """A message did not arrive.

    Attributes:
        permanent: trying again is of no use.
        retry_after_seconds: the receiver's own wish, or None.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPolicy:
    """Where webhooks may go.

    Attributes:
        require_https: refuse plain http.
        allowed_domains: hosts, `*.` for subdomains; empty for any.
        allowed_ports: ports; empty for any.
        max_url_length: in characters.
        private_hosts: host names that may stand for private addresses.
        private_networks: networks that may be reached although they are private.
        trusted_targets: whole URLs that the operator has set and that are not checked.
        headers: sent with each webhook, besides the caller's own.
        silent: send none but to trusted targets (`http.disable_webhooks`).
    """

    require_https: bool = True
    allowed_domains: Sequence[str] = ()
    allowed_ports: Sequence[int] = ()
    max_url_length: int = 2_048
    private_hosts: frozenset[str] = frozenset()
    private_networks: Sequence[IpNetwork] = ()
    trusted_targets: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False

    def check_url(self, url: str, pointer: str = "/webhook") -> None:
        """Refuse an address that no webhook may go to, as far as its text tells.

        Raises:
            InvalidValueError: it may not; the message says what would do.
        """
        if url in self.trusted_targets:
            return
        if len(url) > self.max_url_length:
            raise InvalidValueError(pointer, f"at most {self.max_url_length} characters", url)
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise InvalidValueError(pointer, f"a URL ({error})", url) from error
        schemes = ("https",) if self.require_https else ("https", "http")
        if parsed.scheme not in schemes or not parsed.host:
            raise InvalidValueError(pointer, f"an absolute {' or '.join(schemes)} URL", url)
        if parsed.userinfo:
            raise InvalidValueError(pointer, "a URL without user and password", url)
        port = parsed.port or DEFAULT_PORTS[parsed.scheme]
        if self.allowed_ports and port not in self.allowed_ports:
            raise InvalidValueError(pointer, f"on port {_listed(self.allowed_ports)}", url)
        host = parsed.host.rstrip(".").lower()
        if self.allowed_domains and not any(_covers(rule, host) for rule in self.allowed_domains):
            raise InvalidValueError(pointer, f"on {_listed(self.allowed_domains)}", url)
        address = _literal(host)
        if (address is not None or host == "localhost") and host not in self.private_hosts:
            address = address or ipaddress.IPv4Address("127.0.0.1")
            if not self.allows(address):
                raise InvalidValueError(pointer, "a public address", url)

    def allows(self, address: IpAddress) -> bool:
        """Return whether a connection to this IP address may be made."""
        if any(address in network for network in self.private_networks):
            return True
        embedded = _embedded(address)
        if embedded is not None:
            return self.allows(embedded)
        if address.version == 6 and address not in GLOBAL_UNICAST:
            return False
        if any(address in network for network in CLOUD_SERVICES):
            return False
        return address.is_global and not address.is_multicast


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSender:
    """Sends one webhook at a time, once; repeating is the outbox's business.

    Attributes:
        key: signs the messages.
    """

    policy: WebhookPolicy
    key: bytes

    async def send(
        self, *, message_id: str, url: str, body: bytes, headers: Mapping[str, str], signed: bool
    ) -> None:
        """Post `body` (JSON) to `url`.

        Raises:
            DeliveryError: no 2xx answer came within `TIMEOUT_SECONDS`.
        """
        try:
            self.policy.check_url(url)
        except InvalidValueError as error:
            raise DeliveryError(str(error), permanent=True) from error
        parsed = httpx.URL(url)
        sent = {
            **self.policy.headers,
            **headers,
            "content-type": "application/json",
            "user-agent": "holdfast",
            "host": parsed.netloc.decode("ascii"),
        }
        if signed:
            sent |= signature_headers(self.key, message_id, body)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                address = await self._checked_address(url, parsed)
                await _post(parsed, address, body, sent)
        except TimeoutError as error:
            raise DeliveryError(f"no answer within {TIMEOUT_SECONDS:g} s") from error
        except (httpx.HTTPError, OSError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}") from error

    async def _checked_address(self, url: str, parsed: httpx.URL) -> str:
        port = parsed.port or DEFAULT_PORTS[parsed.scheme]
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(parsed.host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses:
            raise DeliveryError(f"{parsed.host} has no address")
        trusted = url in self.policy.trusted_targets or parsed.host in self.policy.private_hosts
        # One forbidden address among several is enough: a rebinding name shows both.
        for address in addresses:
            if not trusted and not self.policy.allows(ipaddress.ip_address(address)):
                raise DeliveryError(f"{parsed.host} is not a public address", permanent=True)
        return addresses[0]


def make_policy(
    webhooks: Webhooks,
    *,
    private_hosts: Sequence[str] = (),
    trusted_targets: Sequence[str] = (),
    silent: bool = False,
) -> WebhookPolicy:
    """Return the policy of a project's `webhooks` section.

    Args:
        webhooks: the section of `langgraph.json`.
        private_hosts: host names and networks (CIDR) that may be reached although private.
        trusted_targets: URLs that the operator has set.
        silent: whether webhooks are switched off.

    Raises:
        ConfigurationError: a header names an environment variable that it may not, or that is
            not set.
    """
    names: set[str] = set()
    networks: list[IpNetwork] = []
    for entry in private_hosts:
        try:
            networks.append(ipaddress.ip_network(entry, strict=False))
        except ValueError:
            names.add(entry.lower())
    return WebhookPolicy(
        require_https=webhooks.url.require_https,
        allowed_domains=tuple(webhooks.url.allowed_domains),
        allowed_ports=tuple(webhooks.url.allowed_ports),
        max_url_length=webhooks.url.max_url_length,
        private_hosts=frozenset(names),
        private_networks=tuple(networks),
        trusted_targets=frozenset(trusted_targets),
        headers={
            name.lower(): _filled(value, webhooks.env_prefix)
            for name, value in webhooks.headers.items()
        },
        silent=silent,
    )


def check_headers(headers: Mapping[str, str], pointer: str = "/webhook_headers") -> None:
    """Refuse headers that would break the request or take the place of ours.

    Raises:
        InvalidValueError: such a header is there.
    """
    for name, value in headers.items():
        own = name.lower().startswith("webhook-") or name.lower() in (
            "host",
            "content-length",
            "content-type",
            "transfer-encoding",
            "connection",
        )
        if own or not _HEADER_NAME.fullmatch(name):
            raise InvalidValueError(f"{pointer}/{name}", "another header name", name)
        if not value.isprintable() or not value.isascii():
            raise InvalidValueError(f"{pointer}/{name}", "printable ASCII", value)


def signature_headers(
    key: bytes, message_id: str, body: bytes, *, timestamp: int | None = None
) -> dict[str, str]:
    """Return the three headers by which a receiver knows sender, moment and content."""
    moment = str(int(time.time()) if timestamp is None else timestamp)
    signed = b".".join((message_id.encode(), moment.encode(), body))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": moment,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


async def _post(url: httpx.URL, address: str, body: bytes, headers: Mapping[str, str]) -> None:
    # The certificate is still checked against the name, through the server name indication.
    async with httpx.AsyncClient(
        timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False
    ) as client:
        request = client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers=dict(headers),
            extensions={"sni_hostname": url.host},
        )
        response = await client.send(request, stream=True)
        try:
            received = 0
            async for chunk in response.aiter_raw():
                received += len(chunk)
                if received > MAX_RESPONSE_BYTES:
                    break
        finally:
            await response.aclose()
    if response.is_success:
        return
    raise DeliveryError(
        f"answered {response.status_code}",
        permanent=response.status_code == httpx.codes.GONE,
        retry_after_seconds=_retry_after(response),
    )


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None


def _covers(rule: str, host: str) -> bool:
    rule = rule.lower()
    return host.endswith(rule[1:]) if rule.startswith("*.") else host == rule


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _embedded(address: IpAddress) -> IpAddress | None:
    """Return the IPv4 address that an IPv6 address leads to, if it is of such a kind."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _filled(value: str, prefix: str) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if not name.startswith(prefix):
            raise ConfigurationError(
                f"webhooks.headers may only name variables that begin with {prefix!r}, not {name!r}"
            )
        if name not in os.environ:
            raise ConfigurationError(f"webhooks.headers: the variable {name!r} is not set")
        return os.environ[name]

    return _TEMPLATE.sub(replace, value)


def _listed(values: Sequence[object]) -> str:
    return " or ".join(map(str, values))
