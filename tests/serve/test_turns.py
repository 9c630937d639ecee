"""Drawing one after the other: who waits, who is told to come again, who is given up."""

import asyncio
import threading
import time

import pytest

from genwright.serve.refusals import GONE, Refusal
from genwright.serve.turns import Abandoned, Turns, unless_gone
from genwright.train.progress import Progress


def test_one_is_done_at_a_time_and_too_many_are_told_when_to_come_again():
    turns, running, most = Turns(queue=2, seconds=20), [], []

    def work(listener):
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        return 7

    async def ask():
        return await asyncio.gather(*(turns.take(work) for _ in range(5)), return_exceptions=True)

    found = asyncio.run(ask())
    assert found[:3] == [7, 7, 7] and max(most) == 1 and turns.taken == 0
    for error in found[3:]:
        assert isinstance(error, Refusal) and error.status == 429 and int(error.headers["retry-after"]) >= 1


def test_what_takes_too_long_is_given_up_at_the_next_chance():
    turns, ended = Turns(queue=0, seconds=0.05), threading.Event()

    def work(listener):
        try:
            for _ in range(500):
                time.sleep(0.01)
                listener(Progress("sampling"))
        except Abandoned:
            ended.set()
            raise

    with pytest.raises(TimeoutError):
        asyncio.run(turns.take(work))
    assert ended.wait(5)


def test_who_has_left_is_not_worked_for():
    turns, ended = Turns(queue=0, seconds=20), threading.Event()

    class Client:
        async def receive(self):
            await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}

    def work(listener):
        try:
            while True:
                time.sleep(0.01)
                listener(Progress("sampling"))
        finally:
            ended.set()

    with pytest.raises(Refusal) as error:
        asyncio.run(unless_gone(Client(), turns.take(work)))
    assert error.value.status == GONE and ended.wait(5)
