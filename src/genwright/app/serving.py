"""Listening, opening the browser, and ending cleanly: what `rate` does around the application."""

import ipaddress
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from genwright.errors import ArgumentError, MissingDependencyError

if TYPE_CHECKING:
    from genwright.rating.study import Opened

LATEST = 3.0  # seconds that requests under way have to end after Ctrl-C


def require_server() -> None:
    """Raise MissingDependencyError, before anything is done, unless what serves the page is installed."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        what = f"the rating page needs {error.name}, which is not installed"
        raise MissingDependencyError(what, hint="pip install 'genwright[rate]'") from None


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


def serve(
    study: "Opened", bound: socket.socket, *, host: str, browser: bool, told: Callable[[list[str], list[str]], None]
) -> list[str]:
    """Serve `study` until Ctrl-C, after telling every rater's link; returns the links."""
    import uvicorn

    from genwright.rating.connections import PatientProtocol
    from genwright.rating.server import LOOPBACK, application

    local = _is_loopback(host)
    names = LOOPBACK if local else (*LOOPBACK, host, socket.gethostname().lower())
    app = application(study, names=names, any_address=not local)
    address = f"http://{_reached_at(host)}:{bound.getsockname()[1]}"
    links = [f"{address}/#{invite.token}" for invite in study.store.invites()]
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        log_level="error",
        lifespan="off",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(LATEST),
    )
    told(links, [] if local else [f"anyone on the network who has a link can rate; {address} is not encrypted"])
    if browser:
        threading.Timer(0.5, webbrowser.open, [links[0]]).start()
    with suppress(KeyboardInterrupt):  # uvicorn has ended in order by then, and passes the signal on
        uvicorn.Server(config).run(sockets=[bound])
    return links


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reached_at(host: str) -> str:
    """The address that links name: where all addresses are listened on, this computer's own on the network."""
    if host in ("0.0.0.0", "::"):
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect(("192.0.2.1", 9))  # sends nothing: only asks which of our addresses would be used
                return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
    return f"[{host}]" if ":" in host else host
