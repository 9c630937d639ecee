"""A chat with a model: what was said so far, and replies while they are written."""

from collections.abc import Iterator
from dataclasses import replace

from genwright.codecs.text import reads_text
from genwright.codecs.tokenizers import CHAT
from genwright.data.examples import Message
from genwright.errors import DataError
from genwright.families.capabilities import settled
from genwright.families.family import DEFAULT
from genwright.families.sampling import Sampling
from genwright.model import chat
from genwright.model.generator import Generator
from genwright.model.streaming import Delta, Prompt, TextEngine
from genwright.randomness import checked_seed

REPLY_SHARE = 0.5  # of the context at most that is kept free for a reply


class Dialogue:
    """Turns with a model that was tuned on chats; any other model of texts goes on with what it is told, each time
    anew.

    The oldest turns are forgotten where the chat grows beyond the context.
    """

    def __init__(self, model: Generator, *, system: str = "", how: Sampling = DEFAULT, seed: int = 0) -> None:
        self._engine, self._seed = TextEngine(model, slots=1), checked_seed(seed, where="seed")
        codec = model.codec
        assert reads_text(codec), "the engine has seen to it"
        self.in_turns, self._codec = chat.chats(model), codec
        how = settled(model.family, codec.space, how, model.how)
        self._how = replace(how, stop=(*(how.stop or ()), CHAT[1])) if self.in_turns else how
        self.messages: list[Message] = [Message("system", system)] if system and self.in_turns else []
        self._turns = 0

    def say(self, text: str) -> Iterator[Delta]:
        """The reply to a text, bit by bit; what came of it is remembered also where the iteration is given up.

        Raises DataError for a text that does not fit into the context.
        """
        self._turns += 1
        prompt = Prompt(tokens=tuple(self._tokens(text)), how=self._how, seed=self._seed + self._turns - 1)
        number, written = self._engine.submit(prompt), ""
        try:
            while not self._engine.idle:
                for delta in self._engine.step():
                    written += delta.text
                    yield delta
        finally:
            self._engine.cancel(number)
            if self.in_turns:
                self.messages.append(Message("assistant", written))

    def _tokens(self, text: str) -> list[int]:
        """What the model is to go on with; remembers what is said in turns."""
        tokenizer, length = self._codec.tokenizer, self._codec.length
        free = min(self._how.max_tokens or length, int(REPLY_SHARE * length))
        if self.in_turns:
            kept = chat.fitting((*self.messages, Message("user", text)), tokenizer, room=length - free)
            self.messages = list(kept)
            return chat.render(kept, tokenizer)
        tokens = chat.tokens_of(text, tokenizer)
        if len(tokens) >= length:
            what = f"{len(tokens)} tokens leave no room for an answer within the {length} of the model"
            raise DataError(what, where="prompt", hint="write less, or fit a model of longer records")
        return tokens
