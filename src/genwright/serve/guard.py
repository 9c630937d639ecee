"""What every request passes before anything reads it: host, origin, size, token; and the headers of every answer."""

import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

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


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a server asks of requests.

    `caller` gives whose token it is, or None; paths that are `private` need one, sent as "Authorization: Bearer", so a
    page elsewhere that makes a browser send requests has nothing to send. `names` are the hosts that requests may be
    for, None for any; with `any_address` numeric addresses are too, which no rebinding of a name can fake. What is
    posted is JSON of at most `max_body` bytes, and has the header `mark` if there is one, which no page of another
    origin can send without being asked first. `said` makes the JSON of a refusal out of its status and a sentence.
    """

    caller: Callable[[str], str | None]
    private: Callable[[str], bool]
    names: frozenset[str] | None
    any_address: bool = False
    max_body: int
    mark: bytes | None = None
    stranger: str = "this needs a valid token, sent as “Authorization: Bearer TOKEN”"
    said: Callable[[int, str], Any]


class Guard:
    """The layer around an application that keeps `rules`; handlers find the caller in `request.state.caller`."""

    def __init__(self, app: App, *, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # there is nothing to start or stop, and no WebSocket
        headers = dict(scope["headers"])
        refusal = self._refusal(scope, headers) or await self._unknown(scope, headers)
        if refusal:
            await self._refuse(send, *refusal)
            return

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        await self._app(scope, _bounded(receive, self._rules.max_body), send_guarded)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        """Why a request cannot be from a page of this server, or from a program; None if it may be."""
        rules = self._rules
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._known(_name(host)):
            return 421, "this server is not known by that name"
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1").lower() != f"{scope['scheme']}://{host}":
            return 403, "requests from other pages are not answered"
        if headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin") and rules.private(scope["path"]):
            return 403, "requests from other pages are not answered"
        if scope["method"] == "POST":
            kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
            if kind != b"application/json":
                return 415, "send JSON, with “Content-Type: application/json”"
            if rules.mark is not None and rules.mark not in headers:
                return 415, "only the page's own requests are answered"
            length = headers.get(b"content-length", b"0")
            if not length.isdigit() or int(length) > rules.max_body:
                return 413, f"too large: at most {rules.max_body:,} bytes"
        return None

    def _known(self, name: str) -> bool:
        if self._rules.names is None or name in self._rules.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._rules.any_address

    async def _unknown(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        """Find whose token came with a request for what is private, and note it for the handlers."""
        if not self._rules.private(scope["path"]):
            return None
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        caller = await run_sync(self._rules.caller, token) if scheme.lower() == "bearer" and token else None
        if caller is None:
            return 401, self._rules.stranger
        scope.setdefault("state", {})["caller"] = caller
        return None

    async def _refuse(self, send: Send, status: int, what: str) -> None:
        body = json.dumps(self._rules.said(status, what), ensure_ascii=False).encode()
        own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        own += [(b"www-authenticate", b"Bearer")] if status == 401 else []
        await send({"type": "http.response.start", "status": status, "headers": [*own, *HEADERS]})
        await send({"type": "http.response.body", "body": body})


def _name(host: str) -> str:
    """The host without its port; an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _bounded(receive: Receive, most: int) -> Receive:
    """Body pieces as they come, as long as they are not too many bytes in all."""
    size = 0

    async def receive_bounded() -> Any:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise HTTPException(413)
        return message

    return receive_bounded
