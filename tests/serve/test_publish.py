"""Readings go to a real broker, by device, in the order of time and no faster than asked."""

import asyncio
import json
import socket
import threading
import time

import pytest
from click.testing import CliRunner

import genwright as gw
from genwright.app.cli import main
from genwright.serve.broker import Broker, publish
from genwright.serve.readings import readings
from tests.data.test_series import pumps
from tests.model.test_series import waves


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def broker(loopback):
    """A broker of a package, and all messages that it was sent, as (topic, payload)."""
    amqtt = pytest.importorskip("amqtt.broker")
    from paho.mqtt import client as paho

    port, loop, ready = free_port(), asyncio.new_event_loop(), threading.Event()
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    served_by: list = []
    config = {"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}, "plugins": plugins}

    async def started():
        own = amqtt.Broker(config)
        await own.start()
        served_by.append(own)
        ready.set()
        return own

    def served() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(started())
        loop.run_forever()

    thread = threading.Thread(target=served, daemon=True)
    thread.start()
    assert ready.wait(20)
    heard, subscribed = [], threading.Event()
    listener = paho.Client(paho.CallbackAPIVersion.VERSION2)
    listener.on_connect = lambda client, *_: client.subscribe("#", qos=1)
    listener.on_subscribe = lambda *_: subscribed.set()
    listener.on_message = lambda _client, _data, message: heard.append((message.topic, json.loads(message.payload)))
    listener.connect("127.0.0.1", port)
    listener.loop_start()
    assert subscribed.wait(20)
    yield f"mqtt://127.0.0.1:{port}", heard
    listener.disconnect()
    listener.loop_stop()
    asyncio.run_coroutine_threadsafe(served_by[0].shutdown(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def heard_all(heard: list, n: int) -> list:
    deadline = time.monotonic() + 20
    while len(heard) < n and time.monotonic() < deadline:
        time.sleep(0.02)
    return heard


def test_devices_send_their_readings_by_the_command(broker, tmp_path):
    url, heard = broker
    gw.fit(gw.read(pumps(), series="time=time,entity=device"), family=gw.VAE(width=8), steps=2).save(tmp_path / "m")
    words = [
        "publish",
        str(tmp_path / "m"),
        "--mqtt",
        f"{url}/plant/pumps",
        "--rate",
        "1e9",
        "--devices",
        "3",
        "-n",
        "24",
    ]
    result = CliRunner().invoke(main, [*words, "--given", "site=north", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["readings"] == 24
    assert len(heard_all(heard, 24)) == 24
    topics = {topic for topic, _ in heard}
    assert len(topics) == 3 and all(topic.startswith("plant/pumps/P-") for topic in topics)
    for _, told in heard:
        assert list(told) == ["device", "time", "site", "temperature", "state"] and told["site"] == "north"
    first = [told["time"] for topic, told in heard if topic == heard[0][0]]
    assert first == sorted(first)


def test_readings_come_as_fast_as_asked(broker):
    url, heard = broker
    model = gw.fit(waves(), family=gw.VAE(width=8), steps=2)
    began = time.monotonic()
    sent = publish(readings(model), Broker.of(f"{url}/t"), rate=3600 / 0.05, most=5)
    assert sent == 5 and time.monotonic() - began >= 4 * 0.05
    assert [topic for topic, _ in heard_all(heard, 5)] == ["t/series-1"] * 5


def test_windows_go_on_from_what_was_measured_last():
    model = gw.fit(waves(), family=gw.VAE(width=8), steps=2)
    stream = readings(model, devices=2)
    found = [next(stream) for _ in range(80)]
    for device in ("series-1", "series-2"):
        after = [each.after for each in found if each.device == device]
        assert after == [3600.0 * k for k in range(40)]


@pytest.mark.parametrize("url", ["localhost/topic", "mqtt://host", "mqtt://host:port/t", "mqtt:///t", "mqtt://h/a/#"])
def test_addresses_that_are_none_are_told(url):
    with pytest.raises(gw.ArgumentError, match="no address of a broker"):
        Broker.of(url)


def test_a_broker_that_is_not_there_is_told(loopback):
    with pytest.raises(gw.GenwrightError, match="cannot be reached"):
        publish(iter([]), Broker.of(f"mqtt://127.0.0.1:{free_port()}/t"))
