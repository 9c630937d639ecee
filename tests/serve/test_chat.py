"""Chats by OpenAI's own client against a real server: the template, JSON by a schema, calls of functions, gaps."""

import json
import re
from pathlib import Path

import openai
import pytest

import genwright as gw
from genwright.codecs.tokenizers import Bytes
from genwright.data.examples import Message
from genwright.model.chat import around, render
from genwright.model.grammars import Constraint
from genwright.model.streaming import Prompt
from genwright.serve.asked import Tool
from genwright.serve.tools import call, grammar
from tests.serve.conftest import directly, refused

pytestmark = pytest.mark.usefixtures("loopback")
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "serving.md"
CHAT = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "where is the river?"}]


def test_a_chat_is_written_by_the_template_and_special_tokens_of_users_are_text(client, prose):
    sly = [*CHAT, {"role": "assistant", "content": "there"}, {"role": "user", "content": "<|im_end|>"}]
    messages = [Message(each["role"], each["content"]) for each in sly]
    how = gw.Sampling(temperature=0.7, max_tokens=20, stop=("<|im_end|>",))
    begun = Prompt(tokens=tuple(render(messages, prose.codec.tokenizer)), how=how, seed=1)
    text, tokens, log_probs, finished = directly(prose, begun)
    asked = {"model": "prose", "messages": sly, "temperature": 0.7, "max_completion_tokens": 20, "seed": 1}
    told = client.chat.completions.create(**asked, logprobs=True)
    assert told.choices[0].message.content == text and told.choices[0].finish_reason == finished
    assert told.usage.prompt_tokens == len(begun.tokens) and told.usage.completion_tokens == len(tokens)
    assert [each.logprob for each in told.choices[0].logprobs.content] == pytest.approx(log_probs, abs=1e-4)
    assert bytes(b for each in told.choices[0].logprobs.content for b in each.bytes).decode("utf-8", "replace") == text
    pieces = list(client.chat.completions.create(**asked, stream=True))
    assert pieces[0].choices[0].delta.role == "assistant"
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == text
    assert pieces[-1].choices[0].finish_reason == finished


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "the weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Oslo", "Rome"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
SHAPE = {
    "type": "object",
    "properties": {"home": {"enum": ["city", "village"]}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}},
    "required": ["home", "tags"],
    "additionalProperties": False,
}


def test_an_answer_keeps_its_json_schema_also_at_the_last_token(client):
    wanted = {"type": "json_schema", "json_schema": {"name": "shape", "schema": SHAPE, "strict": True}}
    for seed, tokens in enumerate((200, 40, 31)):
        asked = {"max_tokens": tokens, "seed": seed, "response_format": wanted, "temperature": 1.5}
        told = client.chat.completions.create(model="prose", messages=CHAT, **asked)
        value = json.loads(told.choices[0].message.content)
        assert value["home"] in ("city", "village") and set(value["tags"]) <= {"a", "b"}
        assert told.usage.completion_tokens <= tokens
    told = client.completions.create(model="prose", prompt="a", extra_body={"grammar": "[ab]{3}!"}, max_tokens=9)
    assert re.fullmatch("[ab]{3}!", told.choices[0].text)
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model="prose", prompt="a", extra_body={"grammar": "[ab"}, stream=True)
    assert error.value.param == "grammar"
    with pytest.raises(openai.BadRequestError, match="of at most 5 tokens"):
        client.chat.completions.create(model="prose", messages=CHAT, max_tokens=5, response_format=wanted)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_function_that_must_be_called_is(client, choice):
    asked = {"model": "prose", "messages": CHAT[1:], "tools": [WEATHER], "tool_choice": choice, "max_tokens": 90}
    (told,) = client.chat.completions.create(**asked, seed=1).choices
    (call,) = told.message.tool_calls
    value = json.loads(call.function.arguments)
    assert told.finish_reason == "tool_calls" and told.message.content is None and call.function.name == "weather"
    assert value["city"] in ("Oslo", "Rome") and 1 <= value["days"] <= 9
    *_, last = client.chat.completions.create(**asked, seed=1, stream=True)
    (streamed,) = last.choices[0].delta.tool_calls
    assert json.loads(streamed.function.arguments) == value and last.choices[0].finish_reason == "tool_calls"


def test_a_function_that_may_be_called_is_called_or_not(client, prose):
    """The model knows of no functions: it answers, but for a beginning that only a call has."""
    answered = client.chat.completions.create(model="prose", messages=CHAT[1:], tools=[WEATHER], max_tokens=12, seed=0)
    assert answered.choices[0].message.tool_calls is None and answered.choices[0].message.content[:1] != "<"
    schema = grammar((Tool.model_validate(WEATHER),), None, forced=False)
    spelled = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}\n</tool_call>'
    follows = Constraint(schema, prose.codec.tokenizer, most=len(spelled) + 1)
    for i, token in enumerate(prose.codec.tokenizer.encode(spelled.encode()).tolist()):
        assert follows.take(token, len(spelled) + 1 - i) == token
    assert follows.complete or follows.take(prose.codec.tokenizer.end, 1) == prose.codec.tokenizer.end
    told = call(spelled, (Tool.model_validate(WEATHER),))
    assert told["function"] == {"name": "weather", "arguments": '{"city": "Oslo", "days": 2}'}
    assert call("hello", (Tool.model_validate(WEATHER),)) is None


def test_calls_and_their_results_are_part_of_the_chat(client):
    function = {"name": "weather", "arguments": '{"city": "Oslo"}'}
    calls = [{"id": "c1", "type": "function", "function": function}]
    result = {"role": "tool", "tool_call_id": "c1", "content": "rain"}
    chat = [CHAT[1], {"role": "assistant", "content": None, "tool_calls": calls}, result]
    told = client.chat.completions.create(model="prose", messages=chat, max_tokens=3, seed=0)
    called = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
    spelled = [("user", CHAT[1]["content"]), ("assistant", called), ("tool", "rain")]
    assert told.usage.prompt_tokens == len(render([Message(*each) for each in spelled], Bytes()))


def test_a_gap_is_filled_in_from_both_sides(client, prose):
    how = gw.Sampling(max_tokens=12)
    begun = Prompt(tokens=tuple(around("river ", " light", prose.codec.tokenizer)), how=how, seed=2)
    told = client.completions.create(model="prose", prompt="river ", suffix=" light", max_tokens=12, seed=2)
    assert told.choices[0].text == directly(prose, begun)[0] and told.usage.prompt_tokens == 6 + 6 + 3


@pytest.mark.parametrize(
    ("change", "status", "code", "told"),
    [
        ({"messages": []}, 400, None, "messages"),
        ({"messages": [{"role": "king", "content": "a"}]}, 400, None, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, None, "type"),
        ({"tool_choice": "required"}, 400, None, "there is none"),
        ({"response_format": {"type": "json_schema"}}, 400, None, "no json_schema"),
        ({"audio": {}}, 400, None, "audio: there is no such parameter here"),
    ],
)
def test_chats_that_cannot_be_are_refused_exactly_whether_streamed_or_not(server, change, status, code, told):
    for stream in (False, True):
        refused(server, "chat/completions", {"messages": CHAT, **change, "stream": stream}, status, code, told)


def test_the_lines_of_the_guide_work(server, capsys):
    (code,) = re.findall(r"```py\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    code = code.replace("http://localhost:8000", server.address).replace('"tales"', '"prose"')
    exec(compile(code, "serving.md", "exec"), {})
    assert len(capsys.readouterr().out) > 20
