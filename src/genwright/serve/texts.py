"""What completions and chats have in common: settings, prompts within the context, answers whole or as a stream."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from genwright.families.sampling import Sampling
from genwright.model.streaming import Delta, Prompt
from genwright.serve.asked import Writing
from genwright.serve.guard import Receive, Scope, Send
from genwright.serve.refusals import Refusal, refusal, unknown_model
from genwright.serve.turns import left, unless_gone
from genwright.serve.writing import Writer, Written

if TYPE_CHECKING:
    from genwright.serve.service import Service

SETTINGS = (
    *("temperature", "top_p", "top_k", "min_p"),
    *("repetition_penalty", "frequency_penalty", "presence_penalty"),
)
SEEDS = 2**63


@dataclass
class Choice:
    """One text as far as it is written."""

    text: str = ""
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    finish: str | None = None

    def add(self, delta: Delta) -> None:
        """Go on with what was added."""
        self.text += delta.text
        self.tokens += delta.tokens
        self.log_probs += delta.log_probs
        self.finish = delta.finished


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request for texts: who writes them, from which prompts, and what the answers to it have in common."""

    service: "Service"
    request: Request
    asked: Writing
    writer: Writer
    prompts: Sequence[Prompt]
    head: dict[str, Any]

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """The bytes of each token."""
        return self.writer.engine.codec.tokenizer.pieces

    async def written(self) -> AsyncGenerator[list[Written], None]:
        """What is added, counted as it comes."""
        service, name, began, first = self.service, self.asked.model, time.monotonic(), True
        service.metrics.tokens.add(sum(len(prompt.tokens) for prompt in self.prompts), name, "prompt")
        async with aclosing(self.writer.write(self.prompts, seconds=service.limits.seconds)) as stream:
            async for found in stream:
                if first:
                    service.metrics.first.add(time.monotonic() - began, name)
                    first = False
                service.metrics.tokens.add(sum(len(delta.tokens) for _, delta in found), name, "completion")
                yield found

    async def choices(self) -> list[Choice]:
        """All texts once they are written; Refusal if the client leaves before."""
        found = [Choice() for _ in self.prompts]

        async def collect() -> None:
            async with aclosing(self.written()) as stream:
                async for added in stream:
                    for index, delta in added:
                        found[index].add(delta)

        await unless_gone(self.request, collect())
        return found

    def usage(self, tokens: int) -> dict[str, int]:
        """How many tokens were read and written; a prompt that several texts begin with was read once."""
        read = sum(len(each) for each in {prompt.tokens for prompt in self.prompts})
        return {"prompt_tokens": read, "completion_tokens": tokens, "total_tokens": read + tokens}

    def whole(self, choices: Sequence[dict[str, Any]], tokens: int) -> Response:
        """The answer in one piece."""
        return JSONResponse({**self.head, "choices": list(choices), "usage": self.usage(tokens)})

    async def stream(self, events: AsyncIterator[dict[str, Any]], tokens: Callable[[], int]) -> Response:
        """The answer as server-sent events, once the first is there: until then, errors have a status of their own."""
        wanted = self.asked.stream_options is not None and self.asked.stream_options.include_usage
        first = await unless_gone(self.request, _next(events))

        async def lines() -> AsyncGenerator[bytes, None]:
            try:
                yield _event(self.head | first)
                async for each in events:
                    yield _event(self.head | each)
                if wanted:
                    yield _event(self.head | {"choices": [], "usage": self.usage(tokens())})
                yield b"data: [DONE]\n\n"
            except Exception as error:
                told = refusal(error)
                if told.status == 500 and not isinstance(error, Refusal):
                    self.service.log(f"{self.request.state.id} {type(error).__name__}: {error}")
                yield _event(told.body)

        return Events(lines())


class Events(Response):
    """Server-sent events, written until they end or the client leaves."""

    media_type = "text/event-stream"

    def __init__(self, lines: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        task, gone = asyncio.current_task(), asyncio.ensure_future(left(receive))
        assert task is not None
        stop = lambda _: task.cancel()  # noqa: E731
        gone.add_done_callback(stop)
        try:
            async with aclosing(self._lines):
                async for line in self._lines:
                    await send({"type": "http.response.body", "body": line, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except asyncio.CancelledError:
            if not gone.done() or gone.cancelled():
                raise
            task.uncancel()
        finally:
            gone.remove_done_callback(stop)
            gone.cancel()


def writer_of(service: "Service", request: Request, name: str) -> Writer:
    """Who writes with the model called `name`; Refusal if there is none of the name, or it draws other things."""
    if name not in service.models:
        raise unknown_model(name)
    service.found(request, name)
    if name not in service.writers:
        what = f"{name!r} does not write token by token; draw from it at /v1/generators/{name}/sample"
        raise Refusal(400, what, param="model", code="unsupported")
    return service.writers[name]


def settings(service: "Service", asked: Writing, **more: Any) -> Sampling:
    """How to write, as the request says."""
    told = {name: getattr(asked, name) for name in SETTINGS} | {"stop": asked.stops or None} | more
    return service.limits.checked(Sampling(**{name: value for name, value in told.items() if value is not None}))


def repeated(prompts: Sequence[Prompt], asked: Writing, writer: Writer, *, param: str) -> list[Prompt]:
    """Each prompt `n` times, each with a seed of its own; Refusal for one that does not fit into the context."""
    room, longest = writer.engine.codec.length, max(len(prompt.tokens) for prompt in prompts)
    if longest >= room:
        what = f"a prompt of {longest:,} tokens does not fit into the context of {room:,}, with one to follow"
        raise Refusal(400, what, param=param, code="context_length_exceeded")
    seed = secrets.randbelow(SEEDS) if asked.seed is None else asked.seed
    many = [prompt for prompt in prompts for _ in range(asked.n or 1)]
    if len(many) > writer.most:
        raise Refusal(400, f"{len(many)} texts, and at most {writer.most} at a time", param="n")
    return [replace(prompt, seed=(seed + i) % SEEDS) for i, prompt in enumerate(many)]


def head(kind: str, id: str, model: str) -> dict[str, Any]:
    """What every piece of an answer begins with."""
    return {"id": f"{id}-{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "model": model}


def spelled(piece: bytes) -> str:
    """A token as text; halves of characters as U+FFFD."""
    return piece.decode("utf-8", "replace")


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n\n"


async def _next(events: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    return await anext(events)
