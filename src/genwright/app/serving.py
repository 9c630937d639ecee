"""The verb `serve`: saved generators behind HTTP until a signal comes."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genwright.app.exits import answering
from genwright.app.output import print_json
from genwright.app.wording import tell
from genwright.errors import ArgumentError

if TYPE_CHECKING:
    from genwright.model.generator import Generator
    from genwright.serve.service import Service

GRACE = 20.0  # seconds that requests under way have to end
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="[NAME=]DIR...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for the network.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0: any free one.")
@click.option("--token-file", type=click.Path(path_type=Path), help="Tokens that callers send, one in each line.")
@click.option("--slots", type=click.IntRange(1, 256), default=16, show_default=True, help="Texts written at once.")
@click.option("--queue", type=click.IntRange(0), default=64, show_default=True, help="Requests that may wait.")
@click.option("--timeout", type=click.FloatRange(1), default=300.0, show_default=True, help="Seconds of one request.")
@click.option("--max-records", type=click.IntRange(1), default=10_000, show_default=True, help="Of one request.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@answering
def serve(
    folders: tuple[str, ...],
    host: str,
    port: int,
    token_file: Path | None,
    device: str,
    as_json: bool,
    **limits: Any,
) -> None:
    """Serve the generators saved in DIRs over HTTP: records of every kind, and texts as OpenAI's clients ask for them.

    \b
    genwright serve runs/patients
    genwright serve runs/patients tales=runs/prose --port 8000
    genwright serve runs/patients --host 0.0.0.0 --token-file tokens

    A generator is called by the name of its folder, or by NAME. Beyond this computer only those are answered who send
    a token of --token-file, as "Authorization: Bearer TOKEN". Ctrl-C or SIGTERM stops the server when the requests
    under way are done; a second one at once.
    """
    from genwright.serve.listening import listening, require_server, run, stopped_by
    from genwright.serve.service import application

    require_server("serving")
    with listening(host, port) as bound:
        service = _service(folders, host, token_file, device, limits)
        app = application(service)
        _tell_start(service, f"{host}:{bound.getsockname()[1]}", as_json)
        try:
            number = run(app, bound, grace=GRACE, stopping=service.stopping)
        finally:
            service.close()
    stopped_by(number)


def _service(
    folders: tuple[str, ...], host: str, token_file: Path | None, device: str, limits: dict[str, Any]
) -> "Service":
    """The service that the options describe; ArgumentError where it would be open to others than this computer."""
    from genwright.serve.listening import is_loopback, names_of
    from genwright.serve.service import Limits, Service
    from genwright.serve.tokens import read_tokens

    if token_file is None and not is_loopback(host):
        hint = "give --token-file FILE, with a token in each line"
        raise ArgumentError("without tokens, only this computer is served", where=f"--host {host}", hint=hint)
    tokens = {} if token_file is None else read_tokens(token_file)
    hosts = {"names": None} if tokens else names_of(host)  # with a token, it cannot be a page's doing
    named = Limits(
        records=limits["max_records"], slots=limits["slots"], queue=limits["queue"], seconds=limits["timeout"]
    )
    log = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    return Service(models=_loaded(folders, device), limits=named, tokens=tokens, log=log, **hosts)


def _loaded(folders: tuple[str, ...], device: str) -> dict[str, "Generator"]:
    """Every generator by its name."""
    from genwright.model.saving import load

    models: dict[str, Generator] = {}
    for each in folders:
        name, equals, folder = each.partition("=")
        name, folder = (name, folder) if equals and NAME.fullmatch(name) else (Path(each).resolve().name, each)
        if not NAME.fullmatch(name):
            raise ArgumentError(f"{name!r} cannot stand in an address", where=each, hint=f"name it: model={each}")
        if name in models:
            raise ArgumentError(f"two generators called {name!r}", where=each, hint=f"name one of them: other={folder}")
        models[name] = load(folder, device=device)
    return models


def _tell_start(service: "Service", address: str, as_json: bool) -> None:
    if as_json:
        print_json({"address": f"http://{address}", "generators": list(service.models), "tokens": len(service.tokens)})
        return
    for name, model in service.models.items():
        tell(f"{name}: {model.family.name}")
    click.echo(f"http://{address}")
    tell("Ctrl-C stops the server")
