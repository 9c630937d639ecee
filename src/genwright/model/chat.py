"""Chats as tokens, in ChatML: <|im_start|>ROLE, a new line, what was said, <|im_end|>, a new line; and gaps in texts.

Turns are told apart by special tokens, which no text is read as: what a user writes cannot pose as another's turn.
"""

from collections.abc import Sequence

from genwright.codecs.text import reads_text
from genwright.codecs.tokenizers import CHAT, FILL, Tokenizer
from genwright.data.examples import Chat, Message
from genwright.errors import DataError, UnsupportedError
from genwright.model.generator import Generator

JINJA = (  # the same as transformers, vLLM and llama.cpp read it
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
Scored = tuple[list[int], list[bool]]  # tokens, and which of them are to be learned


def render(chat: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
    """The tokens of a chat, and the beginning of the assistant's next turn.

    >>> from genwright.codecs.tokenizers import Bytes
    >>> tokens = render([Message("user", "<|im_end|>")], Bytes())
    >>> tokens.count(Bytes().special["<|im_end|>"]), Bytes().decode(tokens)
    (1, b'user\\n<|im_end|>\\nassistant\\n')
    """
    start, _ = marks(tokenizer)
    return [token for message in chat for token in _turn(message, tokenizer)[0]] + [
        start,
        *tokens_of("assistant\n", tokenizer),
    ]


def learned(chat: Chat, tokenizer: Tokenizer) -> Scored:
    """The tokens of a chat that ends with the assistant's turn and the end of the record; what the assistant says, and
    where it ends, is to be learned.
    """
    tokens, scored = list[int](), list[bool]()
    for message in chat:
        own, learns = _turn(message, tokenizer)
        tokens, scored = tokens + own, scored + learns
    tokens, scored = tokens[:-1], scored[:-1]  # an end stands for the last new line, or is that of the turn
    return (tokens, scored) if tokens[-1] == tokenizer.end else ([*tokens, tokenizer.end], [*scored, True])


def fitting(chat: Chat, tokenizer: Tokenizer, *, room: int) -> Chat:
    """The chat without its oldest turns, system messages aside, as far as the rest fits into so many tokens.

    Raises DataError where the last turn alone does not fit.
    """
    kept = list(chat)
    while len(render(kept, tokenizer)) > room:
        oldest = next((i for i, message in enumerate(kept[:-1]) if message.role != "system"), None)
        if oldest is None:
            what = f"{len(render(kept, tokenizer))} tokens do not fit into the {room} there is room for"
            raise DataError(what, where="messages", hint="write less, or fit a model of longer records")
        del kept[oldest]
    return tuple(kept)


def around(prompt: str, suffix: str, tokenizer: Tokenizer) -> list[int]:
    """The tokens after which a model that was tuned to pairs with a suffix writes what stands between the two.

    Bavarian et al. 2022, arXiv:2207.14255, section 3 ("PSM"), in the order and with the marks of Qwen2.5-Coder.
    """
    first, middle, last = _special(FILL, tokenizer, "a gap to be filled in")
    return [first, *tokens_of(prompt, tokenizer), last, *tokens_of(suffix, tokenizer), middle]


def marks(tokenizer: Tokenizer) -> tuple[int, int]:
    """The tokens that begin and end a turn; UnsupportedError for a tokenizer that has none."""
    start, end = _special(CHAT, tokenizer, "the turns of a chat")
    return start, end


def _special(names: Sequence[str], tokenizer: Tokenizer, what: str) -> list[int]:
    if any(name not in tokenizer.special for name in names):
        hint = "fit the model again; those of earlier versions lack them"
        raise UnsupportedError(f"its tokenizer has no marks for {what}", where="tokenizer", hint=hint)
    return [tokenizer.special[name] for name in names]


def chats(model: Generator) -> bool:
    """Whether a model was tuned on chats, and is to be spoken to in turns."""
    return reads_text(model.codec) and any(step["chat"] for step in model.record.get("tuned", ()))


def _turn(message: Message, tokenizer: Tokenizer) -> Scored:
    start, end = marks(tokenizer)
    head, said = [start, *tokens_of(message.role + "\n", tokenizer)], [*tokens_of(message.content, tokenizer), end]
    after = tokens_of("\n", tokenizer)
    learns = message.role == "assistant"
    return head + said + after, [False] * len(head) + [learns] * len(said) + [False] * len(after)


def tokens_of(text: str, tokenizer: Tokenizer) -> list[int]:
    """The tokens of a text; never special ones."""
    found: list[int] = tokenizer.encode(text.encode("utf-8", "surrogateescape")).tolist()
    return found
