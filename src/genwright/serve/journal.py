"""The outermost layer of the service: an id for each request, a line in the log, and what is counted."""

import json
import secrets
import time
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any

from genwright.serve.guard import HEADERS, App, Receive, Scope, Send
from genwright.serve.metrics import Metrics
from genwright.serve.refusals import GONE, refusal

QUIET = ("/health", "/metrics")  # what is asked every few seconds is not logged
SHOWN = 120  # characters of a path


class Journal:
    """Answers have an `x-request-id`, under which `log` gets one line with no word of what was asked or answered."""

    def __init__(self, app: App, *, metrics: Metrics, log: Callable[[str], None]) -> None:
        self._app, self._metrics, self._log = app, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began, status = time.monotonic(), GONE
        state = scope.setdefault("state", {})
        state["id"] = f"req-{secrets.token_hex(12)}"

        async def send_known(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", state["id"].encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_known)
        except Exception as error:
            self._log(f"{state['id']} {traceback.format_exc()}")
            if status == GONE:
                told = refusal(error)
                raw = json.dumps(told.body).encode()
                head = [(b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode()), *HEADERS]
                await send_known({"type": "http.response.start", "status": told.status, "headers": head})
                await send({"type": "http.response.body", "body": raw})
        finally:
            self._note(scope, status, time.monotonic() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route, model = getattr(scope.get("route"), "path", "other"), scope["state"].get("model", "")
        self._metrics.requests.add(1, route, model, str(status))
        self._metrics.seconds.add(seconds, route)
        if status >= 400:
            self._metrics.refusals.add(1, str(status))
        if not scope["path"].startswith(QUIET):
            asked = ascii(f"{scope['method']} {scope['path']}"[:SHOWN])[1:-1]  # no line breaks, no terminal codes
            caller = scope["state"].get("caller", "-")
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self._log(
                f"{moment} {scope['state']['id']} {caller} {asked} {status} {1000 * seconds:.1f} ms {model}".strip()
            )
