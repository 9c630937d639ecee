"""Examples that a trained model is tuned to: prompts with completions, preferences, chats and tasks, from JSON lines.

Their fields are those that Hugging Face's trl reads, so that files serve both.
"""

import os
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union

import pandas as pd

from genwright.data.dataset import Dataset
from genwright.data.encodings import decode_text
from genwright.data.files import read_bytes
from genwright.data.paths import existing, missing_path
from genwright.errors import ArgumentError, DataError
from genwright.storage import parse_json
from genwright.typed import by_hand, typed

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


Chat = tuple[Message, ...]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A prompt and how it should be completed, up to a suffix where there is one. `where` it was read."""

    prompt: str
    completion: str
    suffix: str | None = None
    where: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Preference:
    """Two answers to a prompt, of which one is preferred."""

    prompt: str
    chosen: str
    rejected: str
    where: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A chat whose assistant's turns are to be learned."""

    messages: Chat
    where: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A prompt, or a chat that the assistant is to go on with, whose answers are rewarded, and what is known `about`
    it.
    """

    prompt: str | Chat
    about: Mapping[str, Any] = field(default_factory=dict)
    where: str = field(default="", compare=False)


Example = Pair | Preference | Conversation | Task
E = TypeVar("E", bound=Example)
Examples = Union[str, "os.PathLike[str]", Sequence[Mapping[str, Any]], pd.DataFrame, Dataset]
FIELDS: dict[type, tuple[str, ...]] = {
    Pair: ("prompt", "completion"),
    Preference: ("prompt", "chosen", "rejected"),
    Conversation: ("messages",),
    Task: ("prompt",),
}
LINES: dict[type, str] = {  # of a file of each kind
    Pair: '{"prompt": "2 + 2 =", "completion": " 4"}',
    Preference: '{"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}',
    Conversation: '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}',
    Task: '{"prompt": "2 + 2 ="}',
}


def read_examples(source: Examples, kinds: tuple[type[E], ...]) -> tuple[E, ...]:
    """The examples of a JSON lines file, a sequence of mappings, a DataFrame or a Dataset, each of one of `kinds`.

    Raises DataError that names line and field.

    >>> read_examples([{"prompt": "1 + 1 =", "completion": " 2"}], (Pair,))
    (Pair(prompt='1 + 1 =', completion=' 2', suffix=None, where='record 1'),)
    """
    found = tuple(_example(told, kinds, where) for where, told in _rows(source, kinds))
    if not found:
        raise DataError("there is no record", where=_name(source), hint=_hint(kinds))
    return found


def middles(texts: Sequence[str], n: int, *, size: int, seed: int = 0) -> list[dict[str, str]]:
    """n passages of `size` characters, each cut in three at random places: what stands in the middle is the completion.

    Bavarian et al. 2022, arXiv:2207.14255, section 3. ArgumentError where no text is as long.

    >>> [one] = middles(["def double(x): return 2 * x"], 1, size=27)
    >>> one["prompt"] + one["completion"] + one["suffix"]
    'def double(x): return 2 * x'
    """
    rng = random.Random(seed)
    long = [text for text in texts if len(text) >= size]
    if not long or size < 3:
        hint = "give longer texts, or a smaller size, of 3 at least"
        raise ArgumentError(f"no text has {size} characters", where="size", hint=hint)
    found = []
    for text in rng.choices(long, weights=[len(text) for text in long], k=n):
        at = rng.randrange(len(text) - size + 1)
        low, high = sorted(rng.sample(range(size + 1), 2))
        passage = text[at : at + size]
        found.append({"prompt": passage[:low], "completion": passage[low:high], "suffix": passage[high:]})
    return found


def _rows(source: Examples, kinds: tuple[type, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where each record stands, and what it says."""
    if isinstance(source, str | os.PathLike):
        path = existing(source)
        if path is None:
            raise missing_path(source)
        text, _, notes = decode_text(read_bytes(path), str(source))
        for note in notes:
            warnings.warn(f"{source}: {note}", stacklevel=2)
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                where = f"{source}, line {number}"
                with by_hand(DataError, hint=_hint(kinds)):
                    told = parse_json(line.encode("utf-8", "surrogatepass"), where=where)
                    told = typed(told, dict, where=where)
                yield where, told
        return
    source = source.frame if isinstance(source, Dataset) else source
    rows: Any = source.to_dict("records") if isinstance(source, pd.DataFrame) else source
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        what = f"{type(source).__name__} is neither a file nor a list of mappings"
        raise ArgumentError(what, where="pairs", hint=f"for example [{LINES[kinds[0]]}]")
    for number, row in enumerate(rows, start=1):
        yield f"record {number}", row


def _example(told: Mapping[str, Any], kinds: tuple[type, ...], where: str) -> Any:
    """One record, of the kind whose first field it has."""
    kind = next((kind for kind in kinds if "messages" in told and kind in (Conversation, Task)), kinds[0])
    if kind is Task:
        about = {name: value for name, value in told.items() if name not in ("prompt", "messages")}
        prompt = _chat(told, where, last=("user", "tool")) if "messages" in told else _text(told, "prompt", where)
        return Task(prompt=prompt, about=about, where=where)
    fields = (*FIELDS[kind], *({"suffix"} & told.keys() if kind is Pair else ()))
    if unknown := [name for name in told if name not in fields]:
        raise DataError(f"there is no field {unknown[0]!r:.60}", where=where, hint=_hint((kind,)))
    if kind is Conversation:
        return Conversation(messages=_chat(told, where, last=("assistant",)), where=where)
    values = {name: _text(told, name, where, empty=name in ("prompt", "suffix")) for name in fields}
    if kind is Preference and values["chosen"] == values["rejected"]:
        raise DataError("chosen and rejected are the same", where=where, hint="leave the record out")
    return kind(**values, where=where)


def _text(told: Mapping[str, Any], name: str, where: str, *, empty: bool = True) -> str:
    if name not in told:
        raise DataError(f"the field {name!r} is missing", where=where, hint=f"there are: {', '.join(map(str, told))}")
    value = told[name]
    if not isinstance(value, str):
        raise DataError(f"{value!r:.60} is not text", where=f"{where}, {name}", hint="write it in double quotes")
    if not value and not empty:
        raise DataError("it is empty", where=f"{where}, {name}", hint="leave the record out")
    return value


def _chat(told: Mapping[str, Any], where: str, *, last: tuple[str, ...]) -> Chat:
    """The messages of a record, the last of which has one of these roles."""
    listed = told["messages"]
    where = f"{where}, messages"
    if not isinstance(listed, list | tuple) or not listed:
        raise DataError("not a list of messages", where=where, hint=_hint((Conversation,)))
    chat = tuple(_message(each, f"{where}, {i}") for i, each in enumerate(listed, start=1))
    if chat[-1].role not in last:
        what = f"the last message is of {chat[-1].role}, not of {' or '.join(last)}"
        raise DataError(what, where=where, hint="end it with the turn that is to be learned or answered")
    return chat


def _message(told: Any, where: str) -> Message:
    if not isinstance(told, Mapping) or set(told) != {"role", "content"}:
        raise DataError("not a message with role and content", where=where, hint=_hint((Conversation,)))
    role = _text(told, "role", where)
    if role not in ROLES:
        raise DataError(f"{role!r:.60} is no role", where=f"{where}, role", hint=f"one of {', '.join(ROLES)}")
    return Message(role, _text(told, "content", where, empty=role != "assistant"))


def _hint(kinds: tuple[type, ...]) -> str:
    return "write records like " + " or ".join(LINES[kind] for kind in kinds)


def _name(source: Examples) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else "pairs"
