"""Where a server listens, and how it runs until a signal asks it to stop."""

import ipaddress
import socket
import threading
from typing import TYPE_CHECKING, Any

from genwright.errors import ArgumentError, MissingDependencyError
from genwright.signals import Interrupted, held_back

if TYPE_CHECKING:
    from fastapi import FastAPI

LOOPBACK = ("127.0.0.1", "localhost", "::1")  # the names of this computer that only it knows itself by
INSTALL = "pip install 'genwright[serve]'"
TICK = 0.1  # seconds between looks for a signal


def require_server(what: str) -> None:
    """Raise MissingDependencyError, before anything is done, unless what serves `what` is installed."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(f"{what} needs {error.name}, which is not installed", hint=INSTALL) from None


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to `host` and `port`; an ArgumentError if that cannot be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)  # who comes before the server is ready waits instead of being refused
    except OSError as error:
        what = f"cannot listen there: {error.strerror or error}"
        raise ArgumentError(what, where=f"{host}:{port}", hint="give another --port, or --port 0") from None
    return bound


def run(app: "FastAPI", bound: socket.socket, *, grace: float, stopping: threading.Event | None = None) -> int:
    """Serve `app` until a signal comes, which is returned; requests under way have `grace` seconds to end.

    `stopping` is set as soon as no new requests are taken. A second signal ends it at once, as everywhere.
    """
    import uvicorn

    from genwright.serve.connections import PatientProtocol

    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        log_level="error",
        lifespan="off",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(grace)),
    )
    server = uvicorn.Server(config)
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            server.run(sockets=[bound])
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=serve, name="server", daemon=True)  # so that signals are ours to answer
    with held_back() as come:
        thread.start()
        while thread.is_alive() and not come:
            thread.join(TICK)
        if stopping is not None:
            stopping.set()
        server.should_exit = True
        while thread.is_alive():
            thread.join(TICK)
    if failed:
        raise failed[0]
    return come[0] if come else 0


def stopped_by(number: int) -> None:
    """Leave as programs do that signal `number` stopped."""
    if number:
        raise Interrupted(number)


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reached_at(host: str) -> str:
    """The address that links name: where all addresses are listened on, this computer's own on the network."""
    if host in ("0.0.0.0", "::"):
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect(("192.0.2.1", 9))  # sends nothing: only asks which of our addresses would be used
                return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def names_of(host: str) -> dict[str, Any]:
    """The hosts that requests may be for, as `Rules` take them, where the server listens on `host`."""
    if is_loopback(host):
        return {"names": frozenset(LOOPBACK), "any_address": False}
    return {"names": frozenset((*LOOPBACK, host, socket.gethostname().lower())), "any_address": True}
