"""Functions that the assistant may call: how it is told of them, and the call in what it writes."""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from genwright.serve.asked import ChatAsked, Chosen, Tool
from genwright.serve.refusals import Refusal

SPACES = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}  # where JSON has some
OPENING, CLOSING = "<tool_call>\n", "\n</tool_call>"  # what Qwen's models were taught to write around a call


def callable_now(asked: ChatAsked) -> tuple[Tool, ...]:
    """The functions that may be called in this answer; Refusal where one is named that there is not."""
    tools = tuple(asked.tools or ())
    if not tools and asked.tool_choice not in (None, "none", "auto"):
        raise Refusal(400, "a function is to be called, and there is none", param="tool_choice")
    if asked.tool_choice == "none":
        return ()
    if not isinstance(asked.tool_choice, Chosen):
        return tools
    wanted = asked.tool_choice.function.name
    found = tuple(tool for tool in tools if tool.function.name == wanted)
    if not found:
        raise Refusal(400, f"there is no function {wanted!r} among the tools", param="tool_choice")
    return found


def told(tools: Sequence[Tool]) -> str:
    """What the system message says of the functions."""
    lines = [json.dumps(tool.model_dump(exclude_none=True), ensure_ascii=False) for tool in tools]
    listed = "\n".join(["# Tools", "", "<tools>", *lines, "</tools>"])
    return f'{listed}\n\nTo call one, answer with {OPENING}{{"name": NAME, "arguments": ARGUMENTS}}{CLOSING}'


def spelled(name: str, arguments: str) -> str:
    """A call as the assistant writes it."""
    return f'{OPENING}{{"name": {json.dumps(name)}, "arguments": {arguments or "{}"}}}{CLOSING}'


def grammar(tools: Sequence[Tool], answer: dict[str, Any] | None, *, forced: bool) -> dict[str, Any] | str | None:
    """What may be written: a call where it is `forced`, else a call or an answer, by a JSON schema if there is one."""
    if not tools:
        return answer
    calls = [_schema(tool) for tool in tools]
    body = {**(calls[0] if len(calls) == 1 else {"anyOf": calls}), "x-guidance": SPACES}
    if forced:
        return body
    rules = {
        "start": "answer | call",
        "call": f"{json.dumps(OPENING)} body {json.dumps(CLOSING)}",
        "body": f"%json {json.dumps(body)}",
        "answer": "TEXT" if answer is None else f"%json {json.dumps({**answer, 'x-guidance': SPACES})}",
        "TEXT": r"/(|[^<](.|\n)*)/",  # what begins like a call is one
    }
    return "\n".join(f"{name}: {rule}" for name, rule in rules.items())


def _schema(tool: Tool) -> dict[str, Any]:
    """The JSON schema of a call of this function."""
    return {
        "type": "object",
        "properties": {"name": {"const": tool.function.name}, "arguments": tool.function.parameters},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def call(text: str, tools: Sequence[Tool]) -> dict[str, Any] | None:
    """The call that a text is, as OpenAI's API tells it; None for any other text."""
    inner = text.strip().removeprefix(OPENING.strip()).removesuffix(CLOSING.strip())
    try:
        value = json.loads(inner)
    except (ValueError, RecursionError):
        return None
    match value:
        case {"name": str(name), "arguments": dict() as arguments} if name in {tool.function.name for tool in tools}:
            return _call(name, arguments)
    return None


def _call(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
    return {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": function}
