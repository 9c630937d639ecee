"""POST /v1/chat/completions: the assistant's next turn, as text, as JSON by a schema, or as the call of a function."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from fastapi import Request
from starlette.responses import Response

from genwright.codecs.tokenizers import CHAT
from genwright.data.examples import Message
from genwright.families.sampling import Sampling
from genwright.model.chat import render
from genwright.model.streaming import Delta, Prompt, prompt
from genwright.serve import tools
from genwright.serve.asked import ChatAsked, Said, Tool
from genwright.serve.refusals import Refusal
from genwright.serve.texts import Choice, Job, head, repeated, settings, spelled, writer_of
from genwright.serve.writing import Writer

if TYPE_CHECKING:
    from fastapi import FastAPI

    from genwright.serve.service import Service


def add_chat(app: "FastAPI", service: "Service") -> None:
    """Add /v1/chat/completions."""

    async def chat(request: Request, asked: ChatAsked) -> Response:
        writer = writer_of(service, request, asked.model)
        callable_now = tools.callable_now(asked)
        how = _settings(service, asked, callable_now)
        read = await run_sync(_prompt, service, writer, asked, callable_now, how)
        prompts = repeated([read], asked, writer, param="messages")
        kind = "chat.completion.chunk" if asked.stream else "chat.completion"
        common = head(kind, "chatcmpl", asked.model)
        job = Job(service=service, request=request, asked=asked, writer=writer, prompts=prompts, head=common)
        if asked.stream:
            return await _streamed(job, asked, callable_now)
        found = await job.choices()
        told = [_whole(job, asked, i, each, callable_now) for i, each in enumerate(found)]
        return job.whole(told, sum(len(choice.tokens) for choice in found))

    app.add_api_route("/v1/chat/completions", chat, methods=["POST"], response_model=None)


def _settings(service: "Service", asked: ChatAsked, callable_now: Sequence[Tool]) -> Sampling:
    limit = asked.max_completion_tokens or asked.max_tokens
    grammar = tools.grammar(callable_now, _format(asked), forced=_forced(asked))
    return settings(service, asked, max_tokens=limit, stop=(*asked.stops, CHAT[1]), grammar=grammar)


def _forced(asked: ChatAsked) -> bool:
    """Whether a function must be called."""
    return asked.tool_choice not in (None, "auto", "none")


def _format(asked: ChatAsked) -> dict[str, Any] | None:
    """The JSON schema of the answer, if it is to be JSON."""
    wanted = asked.response_format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "object"}
    if wanted.json_schema is None:
        raise Refusal(400, "there is no json_schema", param="response_format.json_schema")
    return wanted.json_schema.schema_


def _prompt(
    service: "Service", writer: Writer, asked: ChatAsked, callable_now: Sequence[Tool], how: Sampling
) -> Prompt:
    messages = [Message("system" if m.role == "developer" else m.role, _said(m)) for m in asked.messages]
    if callable_now:
        first = messages.pop(0).content + "\n\n" if messages[0].role == "system" else ""
        messages.insert(0, Message("system", first + tools.told(callable_now)))
    tokens = render(messages, writer.engine.codec.tokenizer)
    return replace(prompt(service.models[asked.model], "", how=how), tokens=tuple(tokens))


def _said(message: Said) -> str:
    calls = [tools.spelled(call.function.name, call.function.arguments) for call in message.tool_calls or ()]
    return "\n".join(filter(None, [message.text, *calls]))


@dataclass
class Turn:
    """A choice that is streamed: text goes out as it comes, the call of a function as a whole."""

    choice: Choice
    tools: Sequence[Tool]
    forced: bool
    sent: int = 0

    def add(self, delta: Delta) -> dict[str, Any]:
        """What is to be sent of the message now."""
        self.choice.add(delta)
        text = self.choice.text
        if not delta.finished and (self.forced or (self.tools and text.startswith("<"))):  # it is a call
            return {}
        if delta.finished and (call := tools.call(text, self.tools) if self.tools else None):
            self.choice.finish = "tool_calls"
            return {"tool_calls": [{"index": 0, **call}]}
        new, self.sent = text[self.sent :], len(text)
        return {"content": new} if new else {}


async def _streamed(job: Job, asked: ChatAsked, callable_now: Sequence[Tool]) -> Response:
    turns = [Turn(Choice(), callable_now, _forced(asked)) for _ in job.prompts]

    async def events() -> AsyncIterator[dict[str, Any]]:
        first = True
        async for added in job.written():
            if first:  # not before it is known that nothing stands against it
                for index in range(len(turns)):
                    yield _chunk(index, {"role": "assistant", "content": ""}, None, None)
                first = False
            for index, delta in added:
                new = turns[index].add(delta)
                logprobs = _logprobs(job, delta.tokens, delta.log_probs) if asked.logprobs else None
                if new or delta.finished or logprobs:
                    yield _chunk(index, new, logprobs, turns[index].choice.finish)

    return await job.stream(events(), lambda: sum(len(turn.choice.tokens) for turn in turns))


def _chunk(index: int, delta: dict[str, Any], logprobs: Any, finish: str | None) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}]}


def _whole(job: Job, asked: ChatAsked, index: int, choice: Choice, callable_now: Sequence[Tool]) -> dict[str, Any]:
    call = tools.call(choice.text, callable_now) if callable_now else None
    said = {"content": None, "tool_calls": [call]} if call else {"content": choice.text}
    return {
        "index": index,
        "message": {"role": "assistant", "refusal": None, **said},
        "logprobs": _logprobs(job, choice.tokens, choice.log_probs) if asked.logprobs else None,
        "finish_reason": "tool_calls" if call else choice.finish,
    }


def _logprobs(job: Job, tokens: Sequence[int], log_probs: Sequence[float]) -> dict[str, Any]:
    found = []
    for token, log_prob in zip(tokens, log_probs, strict=True):
        raw = job.pieces[token]
        found.append({"token": spelled(raw), "logprob": log_prob, "bytes": list(raw), "top_logprobs": []})
    return {"content": found, "refusal": None}
