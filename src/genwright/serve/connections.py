"""Connections of the server: who keeps it waiting is let go, so that half-sent requests keep nobody else out."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE_SECONDS = 10.0  # in which a request must have arrived whole, once its connection is open
MAX_CONNECTIONS = 400  # at once, well below what most systems let a process open; a browser takes six


class PatientProtocol(asyncio.Protocol):
    """uvicorn's HTTP protocol with a limit to how long, and to how many, it waits for.

    A connection whose request has not arrived whole in time is closed; where there are too many connections, the one
    that has been waited for longest is.
    """

    _waiting: dict["PatientProtocol", asyncio.TimerHandle] = {}  # the longest first

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        self._http = H11Protocol(config=config, server_state=server_state, app_state=app_state, _loop=_loop)
        self._open = server_state.connections

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        if len(self._open) >= MAX_CONNECTIONS and self._waiting:
            next(iter(self._waiting))._let_go()
        self._http.connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Pass on what came, and see whether more must come."""
        self._http.data_received(data)
        self._watch()

    def eof_received(self) -> None:
        """Pass it on."""
        self._http.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """Wait no longer."""
        self._arrived()
        self._http.connection_lost(error)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._http.resume_writing()

    def _watch(self) -> None:
        request = self._http.cycle
        if request is not None and not request.response_complete and not request.more_body:
            self._arrived()
        elif self not in self._waiting:
            self._waiting[self] = self._http.loop.call_later(PATIENCE_SECONDS, self._let_go)

    def _arrived(self) -> None:
        timer = self._waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _let_go(self) -> None:
        self._arrived()
        self._http.transport.abort()
