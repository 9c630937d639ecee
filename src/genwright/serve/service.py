"""The service: generators by name, behind one guard, with health and metrics."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genwright.families.sampling import Sampling
from genwright.model.generator import Generator
from genwright.serve.listening import require_server
from genwright.serve.metrics import CONTENT_TYPE, Metrics
from genwright.serve.refusals import Refusal, refusal, said, unknown_model
from genwright.serve.tokens import caller_of
from genwright.serve.turns import Turns
from genwright.serve.writing import Writer

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

MAX_GRAMMAR = 2**15  # characters
OPEN = ("/health", "/health/live", "/health/ready")  # for engines that start and stop servers: no token, no facts


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may ask for, and how many may wait.

    `records` of one request, `tokens` of one text, texts written at the same time (`slots`) and requests that wait
    (`queue`), of each model; `seconds` that one request may take, `bytes` of it.
    """

    records: int = 10_000
    tokens: int = 4096
    slots: int = 16
    queue: int = 64
    seconds: float = 300.0
    bytes: int = 2**20

    def checked(self, how: Sampling) -> Sampling:
        """How to draw, if it is within these limits; Refusal if not."""
        if (how.max_tokens or 0) > self.tokens:
            raise Refusal(400, f"at most {self.tokens:,} tokens at a time", param="max_tokens")
        if (how.beams or 0) > self.slots:
            raise Refusal(400, f"at most {self.slots:,} beams", param="beams")
        if len(json.dumps(how.grammar)) > MAX_GRAMMAR:
            raise Refusal(400, f"grammars and schemas have at most {MAX_GRAMMAR:,} characters", param="grammar")
        return how


@dataclass(frozen=True, kw_only=True)
class Service:
    """Generators to serve by name. `tokens` are those of `read_tokens`; without any, everyone may ask.

    `names` and `any_address` are the hosts that requests may be for: see `Rules`. `log` gets a line for each request.
    """

    models: Mapping[str, Generator]
    limits: Limits = Limits()
    tokens: Mapping[str, bytes] = field(default_factory=dict)
    names: frozenset[str] | None = None
    any_address: bool = False
    log: Callable[[str], None] = lambda line: None
    metrics: Metrics = field(default_factory=Metrics)
    stopping: threading.Event = field(default_factory=threading.Event)
    turns: Turns = field(init=False)
    writers: Mapping[str, Writer] = field(init=False)

    def __post_init__(self) -> None:
        turns = Turns(queue=self.limits.queue, seconds=self.limits.seconds)
        object.__setattr__(self, "turns", turns)
        writers = {
            name: Writer(model, slots=self.limits.slots, queue=self.limits.queue, log=self.log)
            for name, model in self.models.items()
            if model.can.streams and model.codec.conditions is None
        }
        object.__setattr__(self, "writers", writers)
        waiting = lambda: [("", turns.waiting), *((name, writer.waiting) for name, writer in writers.items())]  # noqa: E731
        running = lambda: [("", min(1, turns.taken)), *((name, writer.running) for name, writer in writers.items())]  # noqa: E731
        self.metrics.gauge("genwright_queue_length", "Texts that wait, by model; without one, other requests.", waiting)
        self.metrics.gauge("genwright_running", "Texts that are written, by model; other requests.", running)

    def found(self, request: "Request", name: str) -> Generator:
        """The generator called `name`, noted for the log; Refusal (404) if there is none."""
        if name not in self.models:
            raise unknown_model(name)
        request.state.model = name
        return self.models[name]

    def close(self) -> None:
        """Give up what is still going on."""
        self.turns.close()
        for writer in self.writers.values():
            writer.close()


def application(service: Service) -> "FastAPI":
    """The web application. Raises MissingDependencyError if FastAPI is not installed."""
    require_server("serving")
    from fastapi import FastAPI

    from genwright.serve.chat import add_chat
    from genwright.serve.completions import add_completions
    from genwright.serve.generators import add_generators
    from genwright.serve.guard import Guard, Rules
    from genwright.serve.journal import Journal

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    add_generators(app, service)
    add_completions(app, service)
    add_chat(app, service)
    _add_health(app, service)
    _add_failures(app, service)
    rules = Rules(
        caller=caller_of(service.tokens),
        private=lambda path: bool(service.tokens) and path not in OPEN,
        names=service.names,
        any_address=service.any_address,
        max_body=service.limits.bytes,
        said=said,
    )
    app.add_middleware(Guard, rules=rules)
    app.add_middleware(Journal, metrics=service.metrics, log=service.log)
    return app


def _add_health(app: "FastAPI", service: Service) -> None:
    """Whether it lives, whether it takes requests, and what it has counted."""
    from fastapi.responses import JSONResponse, Response

    def live() -> Any:
        return {"status": "live"}

    def ready() -> Any:
        stopping = service.stopping.is_set()
        return JSONResponse({"status": "stopping" if stopping else "ready"}, status_code=503 if stopping else 200)

    async def metrics() -> Any:  # in the thread that counts
        return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE})

    for path, handler in (*zip(OPEN, (ready, live, ready), strict=True), ("/metrics", metrics)):
        app.add_api_route(path, handler, methods=["GET"], response_model=None)


def _add_failures(app: "FastAPI", service: Service) -> None:
    """Failures as JSON: no traceback, no path, nothing of what was sent."""
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from starlette.exceptions import HTTPException

    from genwright.errors import GenwrightError

    def failed(request: Request, error: Exception) -> Any:
        told = refusal(error)
        if isinstance(error, GenwrightError) and told.status >= 500:
            service.log(f"{request.state.id} {type(error).__name__}: {error}")
        return JSONResponse(told.body, status_code=told.status, headers=told.headers)

    def malformed(request: Request, error: Exception) -> Any:
        assert isinstance(error, RequestValidationError)
        first = max(error.errors(), key=lambda each: len(each["loc"]))  # of a union, where it came furthest
        told = {"json_invalid": "the body is not JSON", "extra_forbidden": "there is no such parameter here"}
        place = ".".join(str(part) for part in first["loc"][1:] if first["type"] != "json_invalid")
        what = told.get(first["type"], first["msg"].removeprefix("Value error, "))
        return JSONResponse(said(400, f"{place}: {what}" if place else what, param=place), status_code=400)

    def missing(request: Request, error: Exception) -> Any:
        assert isinstance(error, HTTPException)
        what = {404: "there is nothing here", 405: "not with this method", 413: "too large"}
        return JSONResponse(said(error.status_code, what.get(error.status_code, "refused")), error.status_code)

    for kind in (Refusal, GenwrightError, TimeoutError):
        app.add_exception_handler(kind, failed)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, missing)
