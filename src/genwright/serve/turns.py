"""One request after the other, in a thread of its own: drawing keeps processors busy, and torch's randomness is one."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

from genwright.serve.guard import Receive
from genwright.serve.refusals import GONE, Refusal
from genwright.train.progress import Listener, Progress

Done = TypeVar("Done")


class Abandoned(Exception):
    """Work that nobody waits for any more."""


class Turns:
    """Work of which one piece is done at a time and at most `queue` wait; who comes then is told when to come again."""

    def __init__(self, *, queue: int, seconds: float) -> None:
        self._queue, self._seconds = queue, seconds
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="drawing")
        self._mean, self._closed, self.taken = 1.0, False, 0

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return max(0, self.taken - 1)

    async def take(self, work: Callable[[Listener], Done]) -> Done:
        """What `work` returns, whose listener ends it when nobody waits any more.

        Raises Refusal (429) if too many wait, TimeoutError if it takes too long.
        """
        if self.taken > self._queue:
            raise busy(self.taken * self._mean)
        gone, began = threading.Event(), time.monotonic()

        def listener(progress: Progress) -> None:
            if gone.is_set() or self._closed:
                raise Abandoned

        self.taken += 1
        try:
            async with asyncio.timeout(self._seconds):
                done = await asyncio.get_running_loop().run_in_executor(self._pool, work, listener)
            self._mean += 0.2 * (time.monotonic() - began - self._mean)
            return done
        finally:
            gone.set()
            self.taken -= 1

    def close(self) -> None:
        """Have what is going on end at its next chance."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)


def busy(seconds: float) -> Refusal:
    """That there are too many requests for now."""
    return Refusal(429, "too many requests are waiting; try again later", code="queue_full", retry_after=seconds)


async def unless_gone(request: Request, work: Awaitable[Done]) -> Done:
    """What `work` comes to, unless the client leaves before: then it is given up, and Refusal raised."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(left(request.receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Refusal(GONE, "the client has left")
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()


async def left(receive: Receive) -> None:
    """Return once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
