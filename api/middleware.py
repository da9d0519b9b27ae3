"""What holds for every answer and every request, whatever the route."""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class SecurityHeaders:
    """Adds the headers that no route has a reason to differ in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if headers.get("content-type", "").startswith("application/json"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)


class SameOrigin:
    """Refuses what a foreign web page sends through its visitor's browser.

    JSON is read from `text/plain` bodies as well, because LangGraph's clients send it so, and such
    a request needs no preflight: without this check any page could start runs on a server that
    listens on the visitor's own machine. Callers that are no browser send no Origin.
    """

    def __init__(
        self, app: ASGIApp, *, allowed_origins: Collection[str], allowed_pattern: str | None = None
    ) -> None:
        self.app = app
        self.allowed_origins = frozenset(allowed_origins)
        self.allowed_pattern = None if allowed_pattern is None else re.compile(allowed_pattern)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] not in ("http", "websocket") or self._may_pass(scope):
            await self.app(scope, receive, send)
            return
        origin = Headers(scope=scope).get("origin")
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "foreign origin"})
            return
        response = problem(
            403,
            "foreign-origin",
            f"origin {origin!r} may not call this server;"
            " add it to HOLDFAST_CORS_ORIGINS to allow it",
        )
        await response(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None or "*" in self.allowed_origins or origin in self.allowed_origins:
            return True
        if self.allowed_pattern is not None and self.allowed_pattern.fullmatch(origin):
            return True
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return True
        return urlsplit(origin).netloc == headers.get("host")


class KnownHosts:
    """Refuses requests for a name that is not the server's.

    The address of a web page can be made to lead to this machine while the page is open (DNS
    rebinding). The browser then takes the server for the page's own, and everything that comes by
    it names the page's host. Nobody else's page has an IP address, `localhost` or a name without
    a period for its host.
    """

    def __init__(self, app: ASGIApp, *, allowed: Collection[str]) -> None:
        self.app = app
        self.allowed = frozenset(name.lower() for name in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        hosts = Headers(scope=scope).getlist("host") if scope["type"] != "lifespan" else []
        host = next((host for host in hosts if not self._knows(host)), None)
        if host is None:
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "unknown host"})
            return
        response = problem(
            403,
            "unknown-host",
            f"this server is not known as {host!r}; name it in HOLDFAST_PUBLIC_URL or"
            " HOLDFAST_ALLOWED_HOSTS if it is",
        )
        await response(scope, receive, send)

    def _knows(self, host: str) -> bool:
        if "*" in self.allowed:
            return True
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            parents = (f"*.{name[place + 1 :]}" for place, mark in enumerate(name) if mark == ".")
            own = "." not in name or name.endswith(".localhost")
            return own or name in self.allowed or not self.allowed.isdisjoint(parents)
        return True
