"""The server of a rating study: a FastAPI application whose handlers only translate between HTTP and the store."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from genwright.errors import StorageError
from genwright.rating.media import MEDIA
from genwright.rating.pages import Page, pages
from genwright.rating.protocol import WORDINGS, Protocol
from genwright.rating.records import Trial
from genwright.rating.store import Refused, Store
from genwright.rating.study import Opened
from genwright.serve.listening import LOOPBACK, require_server

if TYPE_CHECKING:
    from fastapi import FastAPI

MAX_BODY = 4096  # bytes: an answer takes some hundred


def application(study: Opened, *, names: Iterable[str] = LOOPBACK, any_address: bool = False) -> "FastAPI":
    """The web application of a study, for requests to the hosts `names`, or to any numeric address.

    Raises MissingDependencyError if FastAPI is not installed.
    """
    require_server("the rating page")
    from fastapi import FastAPI
    from fastapi.responses import Response

    from genwright.serve.guard import Guard, Rules

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for address, page in pages().items():
        app.add_api_route(address, _serve(page, Response), methods=["GET"])
    _add_reading(app, study)
    _add_writing(app, study)
    _add_failures(app)
    rules = Rules(
        caller=study.store.rater,
        private=lambda path: path.startswith("/api/"),
        names=frozenset(names),
        any_address=any_address,
        max_body=MAX_BODY,
        mark=b"x-genwright",
        stranger="this link is not valid, or no longer",
        said=lambda status, what: {"error": what},
    )
    app.add_middleware(Guard, rules=rules)
    return app


def _serve(page: Page, response: type) -> Callable[[], Any]:
    def serve() -> Any:
        return response(page.raw, media_type=page.content_type)

    return serve


def _add_reading(app: "FastAPI", study: Opened) -> None:
    """What a rater may ask for: how far they are, their current trial, and what it shows."""
    from fastapi import Request
    from fastapi.responses import JSONResponse, Response

    store, protocol = study.store, study.protocol
    media = store.media()

    def session(request: Request) -> Any:
        standing = store.standing(request.state.caller)
        return {
            "title": protocol.title,
            "consent": protocol.consent.split("\n\n"),
            "consented": standing.consented,
            "done": standing.done,
            "total": standing.total,
        }

    def current(request: Request) -> Any:
        standing = store.standing(request.state.caller)
        trial = store.current(request.state.caller) if standing.consented else None
        counted = {"done": standing.done, "total": standing.total}
        return counted if trial is None else counted | _described(trial, protocol, media, store)

    def stimulus(request: Request, stimulus: str) -> Any:
        standing = store.standing(request.state.caller)
        trial = store.current(request.state.caller) if standing.consented else None
        if trial is None or stimulus not in (trial.left, trial.right) or _hidden(trial, protocol, media, store):
            return JSONResponse({"error": "not to be seen now"}, status_code=404)
        return Response(
            study.media[stimulus].read_bytes(), headers={"content-type": MEDIA[media[stimulus]].content_type}
        )

    app.add_api_route("/api/session", session, methods=["GET"], response_model=None)
    app.add_api_route("/api/trial", current, methods=["GET"], response_model=None)
    app.add_api_route("/api/stimulus/{stimulus}", stimulus, methods=["GET"], response_model=None)


def _add_writing(app: "FastAPI", study: Opened) -> None:
    """What a rater may do: agree, look, answer, take the latest answer back, withdraw."""
    from fastapi import Request
    from pydantic import BaseModel, ConfigDict, Field

    store, protocol = study.store, study.protocol

    class Seen(BaseModel):
        model_config = ConfigDict(extra="forbid")
        trial: str = Field(max_length=64)

    class Answer(Seen):
        answer: str = Field(max_length=16)
        seconds: float = Field(ge=0, allow_inf_nan=False)

    def consent(request: Request) -> Any:
        store.consent(request.state.caller)
        return {"ok": True}

    def seen(request: Request, seen: Seen) -> Any:
        trial = store.current(request.state.caller)
        if trial is None or trial.id != seen.trial or not store.standing(request.state.caller).consented:
            raise Refused("this is not the question to answer now")
        store.show(trial.id)
        return {"ok": True}

    def rating(request: Request, given: Answer) -> Any:
        rater = request.state.caller
        store.rate(rater, given.trial, given.answer, seconds=given.seconds, minimum=protocol.minimum_seconds)
        return {"ok": True}

    def undo(request: Request, given: Seen) -> Any:
        store.undo(request.state.caller, given.trial)
        return {"ok": True}

    def withdraw(request: Request) -> Any:
        store.withdraw(request.state.caller)
        return {"ok": True}

    app.add_api_route("/api/consent", consent, methods=["POST"], response_model=None)
    app.add_api_route("/api/seen", seen, methods=["POST"], response_model=None)
    app.add_api_route("/api/rating", rating, methods=["POST"], response_model=None)
    app.add_api_route("/api/undo", undo, methods=["POST"], response_model=None)
    app.add_api_route("/api/withdraw", withdraw, methods=["POST"], response_model=None)


def _add_failures(app: "FastAPI") -> None:
    """Failures as one sentence: no traceback, no path, nothing of what was sent."""
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from starlette.exceptions import HTTPException

    def refused(request: Request, error: Exception) -> Any:
        return JSONResponse({"error": error.what if isinstance(error, Refused) else "refused"}, status_code=409)

    def unsaved(request: Request, error: Exception) -> Any:
        return JSONResponse({"error": "nothing was saved; please try again"}, status_code=503)

    def malformed(request: Request, error: Exception) -> Any:
        return JSONResponse({"error": "not a request of this page"}, status_code=422)

    def missing(request: Request, error: Exception) -> Any:
        code = error.status_code if isinstance(error, HTTPException) else 404
        return JSONResponse({"error": "not here"}, status_code=code)

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(StorageError, unsaved)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, missing)


def _described(trial: Trial, protocol: Protocol, media: Mapping[str, str], store: Store) -> dict[str, Any]:
    """A trial as the page needs it: neither its role nor its expected answer, nor anything about its stimuli."""
    wording = WORDINGS[trial.question]
    shown = [trial.left, trial.right] if trial.right else [trial.left]
    return {
        "trial": trial.id,
        "kind": trial.kind,
        "prompt": wording.prompt,
        "anchors": list(wording.anchors),
        "stimuli": [{"id": each, "medium": media[each]} for each in shown],
        "exposure": protocol.exposure_seconds if _timed(trial, protocol, media) else 0,
        "minimum": protocol.minimum_seconds,
        "hidden": _hidden(trial, protocol, media, store),
    }


def _timed(trial: Trial, protocol: Protocol, media: Mapping[str, str]) -> bool:
    """Whether the stimulus is visible for some time only: images whose origin is to be told."""
    return trial.kind == "origin" and media[trial.left] == "image" and protocol.exposure_seconds > 0


def _hidden(trial: Trial, protocol: Protocol, media: Mapping[str, str], store: Store) -> bool:
    """Whether the time of a stimulus is over; a page that is loaded anew does not show it a second time."""
    return _timed(trial, protocol, media) and store.seen_for(trial.id) is not None
