"""POST /v1/completions: texts that go on from a prompt."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from fastapi import Request
from starlette.responses import Response

from genwright.families.sampling import Sampling
from genwright.model.chat import around
from genwright.model.streaming import Prompt, prompt
from genwright.serve.asked import CompletionAsked
from genwright.serve.refusals import Refusal
from genwright.serve.texts import Choice, Job, head, repeated, settings, spelled, writer_of
from genwright.serve.writing import Writer

if TYPE_CHECKING:
    from fastapi import FastAPI

    from genwright.serve.service import Service

MAX_TOKENS = 16  # where the request does not say, as in OpenAI's API


def add_completions(app: "FastAPI", service: "Service") -> None:
    """Add /v1/models and /v1/completions."""

    def models() -> Any:
        return {"object": "list", "data": [_model(name) for name in service.writers]}

    def model(request: Request, name: str) -> Any:
        writer_of(service, request, name)
        return _model(name)

    async def completions(request: Request, asked: CompletionAsked) -> Response:
        writer = writer_of(service, request, asked.model)
        if asked.echo and asked.logprobs is not None:
            raise Refusal(400, "the prompt has no log-probabilities here", param="echo")
        if asked.suffix and not (isinstance(asked.prompt, str) and not asked.echo):
            raise Refusal(400, "goes with one prompt, and without echo", param="suffix")
        how = settings(service, asked, max_tokens=asked.max_tokens or MAX_TOKENS, grammar=asked.grammar)
        read = await run_sync(_prompts, service, writer, asked, how)
        prompts = repeated(read, asked, writer, param="prompt")
        common = head("text_completion", "cmpl", asked.model)
        job = Job(service=service, request=request, asked=asked, writer=writer, prompts=prompts, head=common)
        if asked.stream:
            return await _streamed(job, asked)
        found = await job.choices()
        return job.whole(
            [_told(job, asked, i, each) for i, each in enumerate(found)], sum(len(c.tokens) for c in found)
        )

    app.add_api_route("/v1/models", models, methods=["GET"], response_model=None)
    app.add_api_route("/v1/models/{name}", model, methods=["GET"], response_model=None)
    app.add_api_route("/v1/completions", completions, methods=["POST"], response_model=None)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "genwright"}


def _prompts(service: "Service", writer: Writer, asked: CompletionAsked, how: Sampling) -> list[Prompt]:
    """Texts or tokens, one or several; or what stands before and after a gap."""
    empty, given = prompt(service.models[asked.model], "", how=how), asked.prompt
    tokenizer = writer.engine.codec.tokenizer
    if asked.suffix and isinstance(given, str):
        return [replace(empty, tokens=tuple(around(given, asked.suffix, tokenizer)))]
    texts: list[Any] = [given] if isinstance(given, str) or not given or isinstance(given[0], int) else [*given]
    tokens = [tokenizer.encode(each.encode()).tolist() if isinstance(each, str) else each for each in texts]
    prompts = [replace(empty, tokens=tuple(each)) for each in tokens]
    for each in prompts:
        writer.engine.check(each)
    return prompts


async def _streamed(job: Job, asked: CompletionAsked) -> Response:
    whole = [Choice() for _ in job.prompts]

    async def events() -> AsyncIterator[dict[str, Any]]:
        if asked.echo:
            yield {"choices": [_piece(i, _begun(job, i), None, None) for i in range(len(whole))]}
        async for added in job.written():
            for index, delta in added:
                logprobs = None
                if asked.logprobs is not None:
                    part = Choice("", list(delta.tokens), list(delta.log_probs))
                    logprobs = _logprobs(job, part, len(whole[index].text))
                whole[index].add(delta)
                if delta.text or delta.finished or logprobs:
                    yield {"choices": [_piece(index, delta.text, logprobs, delta.finished)]}

    return await job.stream(events(), lambda: sum(len(choice.tokens) for choice in whole))


def _told(job: Job, asked: CompletionAsked, index: int, choice: Choice) -> dict[str, Any]:
    logprobs = None if asked.logprobs is None else _logprobs(job, choice, 0)
    return _piece(index, (_begun(job, index) if asked.echo else "") + choice.text, logprobs, choice.finish)


def _piece(index: int, text: str, logprobs: Any, finish: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}


def _begun(job: Job, index: int) -> str:
    return spelled(b"".join(job.pieces[token] for token in job.prompts[index].tokens))


def _logprobs(job: Job, choice: Choice, start: int) -> dict[str, Any]:
    tokens = [spelled(job.pieces[token]) for token in choice.tokens]
    offsets = [start + sum(map(len, tokens[:i])) for i in range(len(tokens))]
    told = {"tokens": tokens, "token_logprobs": choice.log_probs}
    return {**told, "top_logprobs": None, "text_offset": offsets}
