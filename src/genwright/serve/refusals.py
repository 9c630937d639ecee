"""What requests are refused with: an HTTP status, and JSON as OpenAI's clients read it."""

import math
from typing import Any

from genwright.errors import ArgumentError, DataError, GenwrightError, ResourceError, UnsupportedError

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
USERS = (ArgumentError, DataError, ResourceError, UnsupportedError)  # errors of requests; all others are the server's
GONE = 499  # the client left before it had its answer; seen in the log only


class Refusal(Exception):
    """A request that is not served; `retry_after` says in how many seconds it may be."""

    def __init__(
        self, status: int, message: str, *, param: str = "", code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = {} if retry_after is None else {"retry-after": str(max(1, math.ceil(retry_after)))}

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        return said(self.status, self.message, param=self.param, code=self.code)


def said(status: int, message: str, *, param: str = "", code: str = "") -> dict[str, Any]:
    """An error as OpenAI's API tells it.

    >>> said(404, "no such model", param="model")["error"]
    {'message': 'no such model', 'type': 'invalid_request_error', 'param': 'model', 'code': None}
    """
    kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param or None, "code": code or None}}


def refusal(error: Exception) -> Refusal:
    """What a failure is told as: an error of the request in its own words, and one of the server without any."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, USERS):
        assert isinstance(error, GenwrightError)
        told = error.what if not error.hint else f"{error.what}: {error.hint}"
        return Refusal(400, told, param=error.where)
    if isinstance(error, TimeoutError):
        return Refusal(503, "it took too long, and was given up", code="timeout", retry_after=1)
    return Refusal(500, "the server failed; its log says more under this request's id")


def unknown_model(name: str) -> Refusal:
    """For a generator that is not served here."""
    return Refusal(404, f"there is no model {name!r:.80} here", param="model", code="model_not_found")
