"""A server that is kept waiting lets go, on real sockets."""

import asyncio
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest
import uvicorn

from genwright.serve import connections
from genwright.serve.connections import PatientProtocol
from genwright.serve.listening import listening

WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALVES = {
    "nothing": b"",
    "half a header": b"GET / HTTP/1.1\r\nHost: loc",
    "half a body": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf",
    "a second half": WHOLE + b"GET / HT",
}


async def slow(scope, receive, send):
    """An application that takes its time, which is not the peer's fault."""
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(0.5)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def serving():
    bound = listening("127.0.0.1", 0)
    config = uvicorn.Config(slow, http=PatientProtocol, lifespan="off", log_level="critical", timeout_keep_alive=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield bound.getsockname()
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


def sent(address, raw: bytes) -> socket.socket:
    connection = socket.create_connection(address, timeout=20)
    connection.sendall(raw)
    return connection


def all_of(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(4096):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize("half", HALVES)
def test_a_request_that_does_not_arrive_is_given_up_and_one_that_does_is_answered(loopback, monkeypatch, half):
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 0.3)
    with serving() as address, sent(address, HALVES[half]) as broken, sent(address, WHOLE) as whole:
        began = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(8 if half == "half a header" else 0):  # a byte now and then buys no more time
                time.sleep(0.05)
                broken.sendall(b"a")
        assert whole.recv(4096).startswith(b"HTTP/1.1 200") and time.monotonic() - began > 0.3
        assert all_of(broken).count(b"200 OK") == (half == "a second half")


def test_more_waiting_connections_than_there_is_room_for_keep_nobody_out(loopback, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 20)
    with serving() as address:
        held = [sent(address, HALVES["half a header"]) for _ in range(60)]
        with sent(address, WHOLE) as whole:
            assert whole.recv(4096).startswith(b"HTTP/1.1 200")
        for connection in held:
            connection.close()
