"""What every request passes before anything reads it: host, origin, size, invite; and the headers of every answer."""

import ipaddress
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 4096  # bytes: an answer takes some hundred
MARK = b"x-genwright"  # a header that no page of another origin can send without being asked first
HEADERS = (
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class Guard:
    """The outermost layer of the server.

    `rater_of` gives the rater whose token it is, or None; all of /api needs one, sent as "Authorization: Bearer",
    so a page elsewhere that makes a browser send requests has nothing to send. `names` are the hosts that requests
    may be for; with `any_address` numeric addresses are too, which no rebinding of a name can fake.
    """

    def __init__(
        self, app: App, *, rater_of: Callable[[str], str | None], names: Iterable[str], any_address: bool
    ) -> None:
        self._app, self._rater_of = app, rater_of
        self._names, self._any_address = frozenset(names), any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # there is nothing to start or stop, and no WebSocket
        headers = dict(scope["headers"])
        refusal = self._refusal(scope, headers) or await self._unknown(scope, headers)
        if refusal:
            await _refuse(send, *refusal)
            return

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        await self._app(scope, _bounded(receive), send_guarded)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        """Why a request cannot be from a rater's own page; None if it may be."""
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._known(_name(host)):
            return 421, "this server is not known by that name"
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1").lower() != f"{scope['scheme']}://{host}":
            return 403, "requests from other pages are not answered"
        if headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin") and _api(scope):
            return 403, "requests from other pages are not answered"
        if scope["method"] == "POST":
            kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
            if kind != b"application/json" or MARK not in headers:
                return 415, "only the page's own requests are answered"
            length = headers.get(b"content-length", b"0")
            if not length.isdigit() or int(length) > LARGEST_BODY:
                return 413, "too large"
        return None

    def _known(self, name: str) -> bool:
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._any_address

    async def _unknown(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        """Find whose token came with a request for /api, and note it for the handlers."""
        if not _api(scope):
            return None
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        rater = await run_sync(self._rater_of, token) if scheme.lower() == "bearer" and token else None
        if rater is None:
            return 401, "this link is not valid, or no longer"
        scope.setdefault("state", {})["rater"] = rater
        return None


def _api(scope: Scope) -> bool:
    return bool(scope["path"].startswith("/api/"))


def _name(host: str) -> str:
    """The host without its port; an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _bounded(receive: Receive) -> Receive:
    """Body pieces as they come, as long as they are not too many bytes in all."""
    size = 0

    async def receive_bounded() -> Any:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            raise HTTPException(413)
        return message

    return receive_bounded


async def _refuse(send: Send, status: int, what: str) -> None:
    body = json.dumps({"error": what}).encode()
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *HEADERS]})
    await send({"type": "http.response.body", "body": body})
