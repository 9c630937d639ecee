"""Talking to a model: turns that are remembered, and cut to the context; the verb `chat` around them."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner
from tests.model.tuned import sentences_model

import genwright as gw
from genwright.app.cli import main
from genwright.data.examples import Message
from genwright.errors import DataError, UnsupportedError
from genwright.model.dialogue import Dialogue


@pytest.fixture(scope="module")
def chatty():
    """A model of longer records that learned to answer "Hi" with "Ho", in turns."""
    data = gw.read([f"{word * 9}" for word in ("salt and ", "ink and ", "sun and ")] * 20)
    model = gw.fit(data, family=gw.Autoregressive(width=32, depth=1, heads=2, batch=8), steps=4, target="text")
    said = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}] * 12
    return gw.tune(model, said, method=gw.SFT(learning_rate=1e-2), steps=40)


def test_replies_are_in_turns_and_end_where_they_are_told_to(chatty):
    talk = Dialogue(chatty, how=gw.Sampling(temperature=0.0))
    assert talk.in_turns
    deltas = list(talk.say("Hi"))
    assert "".join(delta.text for delta in deltas) == "Ho" and deltas[-1].finished == "stop"
    assert talk.messages == [Message("user", "Hi"), Message("assistant", "Ho")]


def test_the_oldest_turns_are_forgotten_and_a_turn_that_is_too_long_is_refused(chatty):
    talk = Dialogue(chatty, system="Be kind.", how=gw.Sampling(temperature=0.0, max_tokens=4))
    for _ in range(4):
        list(talk.say("Hi"))
    assert talk.messages[0] == Message("system", "Be kind.") and len(talk.messages) < 7
    with pytest.raises(DataError, match="do not fit"):
        list(talk.say("x" * 99))
    assert talk.messages[-1].role == "assistant"  # the turn that was refused is not remembered


def test_what_was_written_is_remembered_where_a_reply_is_broken_off(chatty):
    talk = Dialogue(chatty, how=gw.Sampling(temperature=0.0))
    reply = talk.say("Hi")
    first = next(reply)
    reply.close()
    assert talk.messages[-1] == Message("assistant", first.text)
    assert "".join(delta.text for delta in talk.say("Hi"))  # and the engine is free again


def test_a_model_that_knows_no_turns_goes_on_with_each_line(chatty):
    model = sentences_model()
    talk = Dialogue(model, how=gw.Sampling(temperature=0.0, max_tokens=3))
    assert not talk.in_turns
    one, two = ("".join(d.text for d in talk.say("the old ")) for _ in range(2))
    assert one == two and len(one) == 3 and not talk.messages
    with pytest.raises(DataError, match="leave no room"):
        list(talk.say("x" * 99))


def chat(folder, *words, said=""):
    return CliRunner().invoke(main, ["chat", str(folder), "--temperature", "0", *words], input=said)


def test_the_verb_answers_one_prompt_or_line_after_line(chatty, tmp_path):
    chatty.save(tmp_path)
    assert chat(tmp_path, "--prompt", "Hi").stdout == "Ho\n"
    told = json.loads(chat(tmp_path, "--prompt", "Hi", "--json").stdout)
    assert told == {"prompt": "Hi", "reply": "Ho", "tokens": 2, "finished": "stop"}
    assert chat(tmp_path, said="Hi\n\nHi\n/exit\nHi\n").stdout == "Ho\nHo\n"
    long = chat(tmp_path, said="x" * 99 + "\nHi\n")
    assert long.exit_code == 0 and long.stdout == "Ho\n" and "do not fit" in long.stderr
    assert chat(tmp_path, "--prompt", "x" * 99).exit_code == 3


def test_a_model_without_turns_is_told_of(tmp_path):
    sentences_model().save(tmp_path)
    result = chat(tmp_path, "--prompt", "the ", "--max-tokens", "2")
    assert result.exit_code == 0 and "was not tuned on chats" in result.stderr and len(result.stdout) == 3


def test_chatting_is_for_models_of_text(tmp_path):
    gw.fit(gw.read("wine"), family=gw.Mixture(components=2), steps=2).save(tmp_path)
    assert chat(tmp_path, "--prompt", "Hi").exit_code == 4


def test_a_model_of_texts_given_other_fields_is_refused():
    frame = pd.DataFrame({"text": [f"hi there {i}" for i in range(40)], "label": ["a", "b"] * 20})
    data = gw.read(frame, schema={"text": "text"})
    model = gw.fit(data, family=gw.Autoregressive(width=16, depth=1), steps=1, target="text")
    with pytest.raises(UnsupportedError, match="given other fields"):
        list(Dialogue(model).say("hi"))
