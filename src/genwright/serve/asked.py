"""What OpenAI's clients ask for, field by field; what is not here is refused, not ignored."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAX_STOPS, MAX_TEXTS = 16, 128
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Asked(BaseModel):
    """JSON with these fields and no others, each of its type."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _whole_characters(cls, value: Any) -> Any:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half of a character is no text") from None
        return value


class StreamOptions(Asked):
    """What a stream has besides text."""

    include_usage: bool = False
    include_obfuscation: bool = False  # of no effect


class Writing(Asked):
    """What completions and chats have in common; the last fields are for other servers and change nothing here."""

    model: Annotated[str, Field(max_length=200)]
    n: Annotated[int, Field(ge=1, le=MAX_TEXTS)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    stop: str | Annotated[list[str], Field(max_length=MAX_STOPS)] | None = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts to stop at."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @field_validator("stop")
    @classmethod
    def _some_text(cls, stop: Any) -> Any:
        if stop == "" or (isinstance(stop, list) and "" in stop):
            raise ValueError("an empty text stops at once")
        return stop


class CompletionAsked(Writing):
    """POST /v1/completions."""

    prompt: str | list[str] | list[int] | list[list[int]] = ""
    suffix: str | None = None  # what stands after the gap
    grammar: Annotated[str, Field(min_length=1)] | None = None  # a regular expression, a JSON schema or Lark
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=0)] | None = None


class Part(Asked):
    """A piece of what was said."""

    type: Literal["text"]
    text: str


class Call(Asked):
    """A function, and what it is called with, as JSON in a text."""

    name: Name
    arguments: str


class ToolCall(Asked):
    """A call that the assistant asked for."""

    id: str
    type: Literal["function"] = "function"
    function: Call


class Said(Asked):
    """One message of a chat."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    name: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None  # what clients hand back of an answer, as it came
    audio: None = None
    function_call: None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """All of its text."""
        return self.content or "" if not isinstance(self.content, list) else "".join(part.text for part in self.content)


class Function(Asked):
    """A function that the assistant may call."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] = {"type": "object", "properties": {}}
    strict: bool | None = None


class Tool(Asked):
    """Something the assistant may use."""

    type: Literal["function"]
    function: Function


class Named(Asked):
    """The name of a function."""

    name: Name


class Chosen(Asked):
    """The function to call."""

    type: Literal["function"]
    function: Named


class Schema(Asked):
    """A JSON schema that the answer keeps."""

    name: Name
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")] = {}
    strict: bool | None = None


class ResponseFormat(Asked):
    """Text, any JSON object, or JSON by a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None


class ChatAsked(Writing):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Said], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | Chosen | None = None
    parallel_tool_calls: bool | None = None  # one is called at a time in any case
    response_format: ResponseFormat | None = None
