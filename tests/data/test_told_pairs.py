"""Examples read from JSON lines: what they may say, and which line and field is told where they do not."""

import pandas as pd
import pytest

from genwright.data.examples import Conversation, Message, Pair, Preference, Task, read_examples
from genwright.errors import ArgumentError, DataError
from tests import shapes

SFT, DPO = (Pair, Conversation), (Preference,)


def test_every_kind_is_read_from_lines_mappings_and_frames(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        '{"prompt": "1 + 1 =", "completion": " 2"}\n\n'
        '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}\n'
    )
    pair, chat = read_examples(path, SFT)
    assert pair == Pair(prompt="1 + 1 =", completion=" 2") and pair.where == f"{path}, line 1"
    assert chat.messages == (Message("user", "Hi"), Message("assistant", "Ho")) and chat.where.endswith("line 3")
    [one] = read_examples(pd.DataFrame([{"prompt": "", "chosen": "a", "rejected": "b"}]), DPO)
    assert one == Preference(prompt="", chosen="a", rejected="b")
    [task, asked] = read_examples(
        [{"prompt": "a", "answer": 4}, {"messages": [{"role": "user", "content": "b"}]}], (Task,)
    )
    assert task.about == {"answer": 4} and asked.prompt == (Message("user", "b"),)


@pytest.mark.parametrize(
    ("line", "kinds", "told"),
    [
        ("{", SFT, "line 2: not valid JSON"),
        ("[1]", SFT, "line 2: [1] is not an object"),
        ('{"prompt": "a"}', SFT, "line 2: the field 'completion' is missing"),
        ('{"prompt": "a", "completion": ""}', SFT, "line 2, completion: it is empty"),
        ('{"prompt": "a", "completion": 3}', SFT, "line 2, completion: 3 is not text"),
        ('{"prompt": "a", "completion": "b", "extra": 1}', SFT, "line 2: there is no field 'extra'"),
        ('{"prompt": "a", "completion": "b"}', DPO, "line 2: there is no field 'completion'"),
        ('{"prompt": "a", "chosen": "b", "rejected": "b"}', DPO, "line 2: chosen and rejected are the same"),
        ('{"messages": []}', SFT, "line 2, messages: not a list of messages"),
        ('{"messages": [{"role": "user"}]}', SFT, "line 2, messages, 1: not a message with role and content"),
        ('{"messages": [{"role": "x", "content": "a"}]}', SFT, "line 2, messages, 1, role: 'x' is no role"),
        ('{"messages": [{"role": "user", "content": "a"}]}', SFT, "messages: the last message is of user"),
        ('{"messages": [{"role": "assistant", "content": ""}]}', SFT, "messages, 1, content: it is empty"),
    ],
)
def test_what_is_wrong_is_told_by_line_and_field(tmp_path, line, kinds, told):
    path = tmp_path / "pairs.jsonl"
    good = '{"prompt": "a", "chosen": "b", "rejected": "c"}' if kinds is DPO else '{"prompt": "a", "completion": "b"}'
    path.write_text(f"{good}\n{line}\n")
    with pytest.raises(DataError) as error:
        read_examples(path, kinds)
    assert f"pairs.jsonl, {told}" in str(error.value) or told in str(error.value)
    assert error.value.hint


def test_files_without_records_and_other_objects_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shapes, "checking", False)
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match="no record"):
        read_examples(tmp_path / "empty.jsonl", SFT)
    with pytest.raises(DataError, match="no such file"):
        read_examples(tmp_path / "none.jsonl", SFT)
    with pytest.raises(ArgumentError, match="neither a file nor a list of mappings"):
        read_examples([1, 2], SFT)


def test_a_file_that_is_not_utf_8_is_read_with_a_note(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes('{"prompt": "café", "completion": "élan"}\n'.encode("latin-1"))
    with pytest.warns(UserWarning, match="pairs.jsonl: not UTF-8"):
        [pair] = read_examples(path, (Pair,))
    assert (pair.prompt, pair.completion) == ("café", "élan")
