"""OpenAI's own client against a real server: what it is answered is what the model writes."""

import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

import genwright as gw
from genwright.model.streaming import prompt
from tests.serve.conftest import directly, refused

pytestmark = pytest.mark.usefixtures("loopback")


def test_models_are_those_that_write(client):
    assert [model.id for model in client.models.list()] == ["prose"]
    assert client.models.retrieve("prose").owned_by == "genwright"
    for name, error in (("nothing", openai.NotFoundError), ("wine", openai.BadRequestError)):
        with pytest.raises(error) as told:
            client.models.retrieve(name)
        assert told.value.param == "model"


def test_a_completion_is_what_the_model_writes(client, prose):
    how = {"temperature": 0.8, "top_p": 0.9, "frequency_penalty": 0.2, "presence_penalty": 0.1, "max_tokens": 30}
    told = client.completions.create(model="prose", prompt="river st", seed=7, logprobs=0, **how)
    text, tokens, log_probs, finished = directly(prose, prompt(prose, "river st", how=gw.Sampling(**how), seed=7))
    (choice,) = told.choices
    assert (choice.text, choice.finish_reason) == (text, finished)
    assert choice.logprobs.token_logprobs == pytest.approx(log_probs, abs=1e-4)
    assert (told.usage.prompt_tokens, told.usage.completion_tokens) == (len("river st"), len(tokens))


def test_several_prompts_texts_and_tokens_are_all_answered(client, prose):
    told = client.completions.create(model="prose", prompt=["river", "stone l"], n=2, seed=3, max_tokens=9, echo=True)
    for i, choice in enumerate(told.choices):
        begun = ["river", "stone l"][i // 2]
        text = directly(prose, prompt(prose, begun, how=gw.Sampling(max_tokens=9), seed=3 + i))[0]
        assert (choice.index, choice.text) == (i, begun + text)
    same = client.completions.create(model="prose", prompt=list(b"river"), seed=3, max_tokens=9)
    assert "river" + same.choices[0].text == told.choices[0].text
    assert told.usage.prompt_tokens == 12


def test_a_stream_has_the_same_text_piece_by_piece(client):
    asked = {"model": "prose", "prompt": "winter", "seed": 5, "max_tokens": 25, "n": 2}
    whole = client.completions.create(**asked)
    found, ends = ["", ""], [None, None]
    *pieces, last = client.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    for piece in pieces:
        (choice,) = piece.choices
        found[choice.index] += choice.text
        ends[choice.index] = choice.finish_reason or ends[choice.index]
    assert len(pieces) > 20 and found == [choice.text for choice in whole.choices]
    assert ends == [choice.finish_reason for choice in whole.choices]
    assert last.choices == [] and last.usage == whole.usage


def test_stop_strings_end_a_text_and_are_not_part_of_it(client):
    free = client.completions.create(model="prose", prompt="river ", temperature=0, max_tokens=40).choices[0].text
    stop = free[5:8]
    told = client.completions.create(model="prose", prompt="river ", temperature=0, max_tokens=40, stop=[stop, "#"])
    assert told.choices[0].text == free[: free.index(stop)] and told.choices[0].finish_reason == "stop"


def test_sixteen_streams_at_once_are_each_what_it_is_alone(client):
    def streamed(seed):
        pieces = client.completions.create(model="prose", prompt="light ", seed=seed, max_tokens=30, stream=True)
        return "".join(piece.choices[0].text for piece in pieces)

    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(streamed, range(16)))
    assert together[::5] == [streamed(seed) for seed in range(0, 16, 5)] and len(set(together)) > 8


def test_who_leaves_is_not_written_for(client, server):
    asked = {"model": "prose", "prompt": "stone", "max_tokens": 4000, "n": 8}
    with client.completions.create(**asked, stream=True) as stream:
        next(iter(stream))
    _leave(server, asked)
    left = 'genwright_requests_total{route="/v1/completions",model="prose",status="499"} 1'
    deadline, told = time.monotonic() + 30, ""
    while not (left in told and 'genwright_running{model="prose"} 0' in told) and time.monotonic() < deadline:
        time.sleep(0.05)
        told = server.ask("GET", "/metrics")[2].decode()
    assert left in told and 'genwright_running{model="prose"} 0' in told


def _leave(server, value):
    """Ask for a whole text, and leave before it is there."""
    host, _, port = server.host.partition(":")
    body = json.dumps(value).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {server.host}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("change", "status", "code", "told"),
    [
        ({"model": "absent"}, 404, "model_not_found", "there is no model 'absent'"),
        ({"model": "wine"}, 400, "unsupported", "/v1/generators/wine/sample"),
        ({"prompt": "a" * 5000}, 400, "context_length_exceeded", "5,000 tokens does not fit"),
        ({"prompt": "\ud800"}, 400, None, "half of a character is no text"),
        ({"prompt": [999]}, 400, None, "tokens that the model does not have"),
        ({"prompt": [-1]}, 400, None, "tokens that the model does not have"),
        ({"prompt": [999], "echo": True}, 400, None, "tokens that the model does not have"),
        ({"prompt": [[], "a"]}, 400, None, "prompt"),
        ({"max_tokens": 0}, 400, None, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_tokens": 100000}, 400, None, "at most 4,096 tokens"),
        ({"temperature": "hot"}, 400, None, "temperature: Input should be a valid number"),
        ({"temperature": -0.5}, 400, None, "temperature"),
        ({"stop": ""}, 400, None, "an empty text stops at once"),
        ({"n": 100}, 400, None, "100 texts, and at most 32"),
        ({"logit_bias": {"5": 1}}, 400, None, "logit_bias: there is no such parameter here"),
        ({"logprobs": 5}, 400, None, "logprobs"),
        ({"best_of": 3}, 400, None, "best_of"),
    ],
)
def test_what_cannot_be_written_is_refused_exactly_whether_streamed_or_not(server, change, status, code, told):
    for stream in (False, True):
        refused(server, "completions", {"prompt": "a", **change, "stream": stream}, status, code, told)


def test_what_is_half_sent_oversize_or_no_json_leaves_the_server_as_it_was(server):
    host, _, port = server.host.partition(":")
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {server.host}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port))) as half:
        half.sendall(f'{head}Content-Length: 100\r\n\r\n{{"model"'.encode())
        assert server.ask("GET", "/health")[0] == 200
    for raw, status in (
        (f"{head}Content-Length: 2000000\r\n\r\n", 413),
        (f"{head}Transfer-Encoding: chunked\r\n\r\n200000\r\n{'a' * 0x200000}\r\n0\r\n\r\n", 413),
        (f"{head}Content-Length: 5\r\n\r\n{{nono", 400),
        ("GET /v1/models HTTP/1.1\r\n\r\n", 400),
        ("GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        ("nonsense\r\n\r\n", 400),
    ):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(raw.encode())
            assert re.match(rb"HTTP/1.1 (\d+)", connection.recv(4096))[1] == str(status).encode(), raw[:60]
    assert server.ask("GET", "/health/ready")[0] == 200


def test_metrics_count_tokens_and_when_the_first_came(server, client):
    before = server.metric('genwright_tokens_total{model="prose",kind="completion"}')
    told = client.completions.create(model="prose", prompt="stone", max_tokens=12)
    after = server.metric('genwright_tokens_total{model="prose",kind="completion"}')
    assert after - before == told.usage.completion_tokens > 0
    assert server.metric('genwright_first_token_seconds_count{model="prose"}') >= 1
