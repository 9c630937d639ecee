"""One thread for each model of text, in which all texts that are asked for are written side by side."""

import asyncio
import queue
import threading
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass

from genwright.errors import GenwrightError
from genwright.model.generator import Generator
from genwright.model.streaming import Delta, Prompt, TextEngine
from genwright.serve.refusals import Refusal
from genwright.serve.turns import busy

Written = tuple[int, Delta]  # which of the texts of a request, and what was added to it


@dataclass(eq=False)
class Text:
    """A text that is being written, and where what is added to it goes."""

    prompt: Prompt
    index: int
    loop: asyncio.AbstractEventLoop
    added: "asyncio.Queue[Written | Exception]"
    number: int | None = None  # by which the engine knows it


class Writer:
    """Writes texts of `model`, `slots` side by side, while at most `queue` wait; others are told when to come again.

    Coroutines hand in prompts and are handed what is added; the thread alone touches the engine.
    """

    def __init__(self, model: Generator, *, slots: int, queue: int, log: Callable[[str], None]) -> None:
        self._model, self._slots, self.most, self._log = model, slots, slots + queue, log
        self.engine = TextEngine(model, slots=slots)
        self._handed = _Handed()
        self._mean = 1.0  # seconds of a text
        self.texts = 0
        self._thread = threading.Thread(target=self._write, name="writing", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Texts that wait for a place."""
        return max(0, self.texts - self._slots)

    @property
    def running(self) -> int:
        """Texts that have one."""
        return min(self.texts, self._slots)

    async def write(self, prompts: Sequence[Prompt], *, seconds: float) -> AsyncGenerator[list[Written], None]:
        """What is added to the texts that begin with `prompts`, as it comes, until all are finished.

        Closing it has them written no further. Raises Refusal (429) if too many wait, TimeoutError, and what the
        engine says against a prompt.
        """
        if self.texts + len(prompts) > self.most:
            raise busy(self._mean * (1 + self.waiting / self._slots))
        loop, began = asyncio.get_running_loop(), time.monotonic()
        added: asyncio.Queue[Written | Exception] = asyncio.Queue()
        texts = [Text(prompt, index, loop, added) for index, prompt in enumerate(prompts)]
        late = loop.call_later(seconds, added.put_nowait, TimeoutError())
        self.texts += len(texts)
        left = len(texts)
        try:
            self._handed.put((text, True) for text in texts)
            while left:
                found = [_sound(await added.get())]
                while not added.empty():  # who is slow gets more at a time
                    found.append(_sound(added.get_nowait()))
                left -= sum(delta.finished is not None for _, delta in found)
                yield found
            self._mean += 0.2 * (time.monotonic() - began - self._mean)
        finally:
            late.cancel()
            self.texts -= len(texts)
            if left:
                self._handed.put((text, False) for text in texts)

    def close(self) -> None:
        """End the thread; what is being written ends with it."""
        self._handed.close()

    def _write(self) -> None:
        """The thread: hand in, write a token each, hand out."""
        written: dict[int, Text] = {}
        while True:
            taken = self._handed.take(wait=self.engine.idle)
            if taken is None:
                return
            for text, wanted in taken:
                if wanted:
                    self._begin(text, written)
                elif written.pop(text.number or 0, None) is not None:
                    self.engine.cancel(text.number or 0)
            try:
                deltas = [] if self.engine.idle else self.engine.step()
            except Exception as error:
                self._recover(error, written)
                continue
            self._hand_out(deltas, written)

    def _begin(self, text: Text, written: dict[int, Text]) -> None:
        try:
            text.number = self.engine.submit(text.prompt)
        except GenwrightError as error:
            _tell([(text, error)])
        else:
            written[text.number] = text

    def _hand_out(self, deltas: list[Delta], written: dict[int, Text]) -> None:
        told = [(written[delta.id], (written[delta.id].index, delta)) for delta in deltas if delta.id in written]
        for delta in deltas:
            if delta.finished:
                written.pop(delta.id, None)
        _tell(told)

    def _recover(self, error: Exception, written: dict[int, Text]) -> None:
        """Fail what was being written, and go on with an engine that knows nothing of it."""
        self._log("writing failed: " + "".join(traceback.format_exception(error)))
        failed = error if isinstance(error, GenwrightError) else Refusal(500, "the server failed while writing")
        _tell([(text, failed) for text in written.values()])
        written.clear()
        self.engine = TextEngine(self._model, slots=self._slots)


class _Handed:
    """Texts to begin (True) or to give up (False), from coroutines to the thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Text, bool] | None] = queue.SimpleQueue()

    def put(self, texts: Iterable[tuple[Text, bool]]) -> None:
        for each in texts:
            self._queue.put(each)

    def close(self) -> None:
        self._queue.put(None)

    def take(self, *, wait: bool) -> list[tuple[Text, bool]] | None:
        """All that there are, after waiting for one if so; None once it is closed."""
        found = [self._queue.get()] if wait else []
        while not self._queue.empty():
            found.append(self._queue.get())
        return None if None in found else [each for each in found if each is not None]


def _tell(told: Sequence[tuple[Text, Written | Exception]]) -> None:
    """Hand all of it to the event loop at once; nobody waits any more in one that is closed."""
    for loop in {text.loop for text, _ in told}:
        mine = [(text.added, each) for text, each in told if text.loop is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_put, mine)


def _put(told: Sequence[tuple["asyncio.Queue[Written | Exception]", Written | Exception]]) -> None:
    for added, each in told:
        added.put_nowait(each)


def _sound(each: Written | Exception) -> Written:
    if isinstance(each, Exception):
        raise each
    return each
