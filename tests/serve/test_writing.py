"""The thread that writes: who waits, who is told to come again, and what a failure does to others."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace

import pytest

import genwright as gw
from genwright.errors import ArgumentError
from genwright.model.streaming import TextEngine, prompt
from genwright.serve.refusals import Refusal
from genwright.serve.writing import Writer


@pytest.fixture
def writer(prose, request):
    log = []
    made = Writer(prose, slots=2, queue=1, log=log.append)
    made.log = log
    yield made
    made.close()


async def text_of(writer, prompts, seconds=20.0):
    found = ["" for _ in prompts]
    async with aclosing(writer.write(prompts, seconds=seconds)) as stream:
        async for added in stream:
            for index, delta in added:
                found[index] += delta.text
    return found


def begun(prose, tokens=10, **more):
    return prompt(prose, "river", how=gw.Sampling(max_tokens=tokens, **more), seed=0)


def test_too_many_are_told_to_come_again_and_those_that_wait_are_written(writer, prose):
    async def ask():
        each = (text_of(writer, [begun(prose)]) for _ in range(5))
        return await asyncio.gather(*each, return_exceptions=True)

    found = asyncio.run(ask())
    texts, refused = [f for f in found if isinstance(f, list)], [f for f in found if isinstance(f, Exception)]
    assert len(texts) == 3 and all(text == texts[0] for text in texts) and writer.texts == 0
    assert all(isinstance(f, Refusal) and f.status == 429 and int(f.headers["retry-after"]) >= 1 for f in refused)


def test_what_takes_too_long_is_given_up(writer, prose):
    with pytest.raises(TimeoutError):
        asyncio.run(text_of(writer, [begun(prose, 1000)], seconds=0.0))
    assert writer.texts == 0 and asyncio.run(text_of(writer, [begun(prose, 3)]))


def test_a_prompt_that_the_engine_refuses_is_refused_and_others_are_written(writer, prose):
    async def ask():
        bad = replace(begun(prose), tokens=(10**6,))
        return await asyncio.gather(text_of(writer, [bad]), text_of(writer, [begun(prose)]), return_exceptions=True)

    bad, good = asyncio.run(ask())
    assert isinstance(bad, ArgumentError) and isinstance(good, list)


def test_after_a_failure_it_goes_on_with_a_new_engine(writer, prose, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(TextEngine, "step", lambda self: 1 / 0)
        with pytest.raises(Refusal) as error:
            asyncio.run(text_of(writer, [begun(prose)]))
    assert error.value.status == 500 and "ZeroDivisionError" in writer.log[0]
    assert asyncio.run(text_of(writer, [begun(prose)]))[0]


def test_who_leaves_is_not_written_for(writer, prose, monkeypatch):
    step = TextEngine.step
    monkeypatch.setattr(TextEngine, "step", lambda engine: time.sleep(0.02) or step(engine))

    async def leave():
        async with aclosing(writer.write([begun(prose, 1000)], seconds=60.0)) as stream:
            await anext(stream)
            assert writer.texts == 1 and not writer.engine.idle

    asyncio.run(leave())
    deadline = time.monotonic() + 5  # of the 20 that it would take
    while not writer.engine.idle and time.monotonic() < deadline:
        time.sleep(0.01)
    assert writer.engine.idle and writer.texts == 0
