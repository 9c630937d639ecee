"""A broker of MQTT that readings are published to, as fast as they are measured or faster."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from genwright.errors import ArgumentError, GenwrightError, MissingDependencyError
from genwright.serve.readings import Reading

PORTS = {"mqtt": 1883, "mqtts": 8883}
PATIENCE = 10.0  # seconds until a broker has answered
HINT = "write mqtt://HOST:PORT/TOPIC, mqtts:// where it is encrypted, and USER:PASSWORD@ before HOST where it asks"


@dataclass(frozen=True)
class Broker:
    """Where a broker is, and the topic that the name of each device is added to.

    >>> Broker.of("mqtt://localhost/plant/pumps")
    Broker(host='localhost', port=1883, topic='plant/pumps', encrypted=False, user=None)
    """

    host: str
    port: int
    topic: str
    encrypted: bool = False
    user: tuple[str, str] | None = None

    @classmethod
    def of(cls, url: str) -> "Broker":
        """Out of its address; ArgumentError for what is none."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ArgumentError("no address of a broker", where="mqtt", hint=HINT) from None
        topic = unquote(parts.path.strip("/"))
        if parts.scheme not in PORTS or not parts.hostname or not topic or "#" in url or set(topic) & set("+\0"):
            raise ArgumentError("no address of a broker with a topic", where="mqtt", hint=HINT)
        user = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        return cls(parts.hostname, port or PORTS[parts.scheme], topic, parts.scheme == "mqtts", user)

    @contextmanager
    def connected(self) -> Iterator[Callable[[str, bytes], None]]:
        """What sends a message on a topic and waits until the broker has it."""
        mqtt = _paho()
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        answered, answer = threading.Event(), []

        def on_connect(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            answer.append(reason)
            answered.set()

        client.on_connect = on_connect
        if self.user is not None:
            client.username_pw_set(*self.user)
        if self.encrypted:
            client.tls_set()
        try:
            client.connect(self.host, self.port, keepalive=30)
        except OSError as error:
            raise self._failed(f"cannot be reached: {error.strerror or error}") from None
        client.loop_start()
        try:
            if not answered.wait(PATIENCE):
                raise self._failed(f"no answer of a broker in {PATIENCE:.0f} s")
            if answer[0].is_failure:
                raise self._failed(f"refused: {answer[0]}")
            yield lambda topic, message: self._sent(client, topic, message)
        finally:
            client.disconnect()
            client.loop_stop()

    def _sent(self, client: Any, topic: str, message: bytes) -> None:
        info = client.publish(topic, message, qos=1)
        try:
            info.wait_for_publish(PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise self._failed(f"the connection was lost: {error}") from None
        if not info.is_published():
            raise self._failed(f"did not take a reading within {PATIENCE:.0f} s")

    def _failed(self, what: str) -> GenwrightError:
        return ArgumentError(what, where=f"{self.host}:{self.port}", hint="is a broker running there?")


def _paho() -> Any:
    try:
        from paho.mqtt import client
    except ModuleNotFoundError:
        raise MissingDependencyError("paho-mqtt is not installed", hint="pip install 'genwright[mqtt]'") from None
    return client


def publish(
    readings: Iterable[Reading],
    broker: Broker,
    *,
    rate: float = 1.0,
    most: int | None = None,
    told: Callable[[int, Reading], None] = lambda n, reading: None,
) -> int:
    """Send readings as JSON on TOPIC/DEVICE, `rate` times as fast as they were measured, `most` of them; how many.

    Raises ArgumentError for a rate that is not above 0, and where the broker fails.
    """
    if not 0 < rate < float("inf"):
        raise ArgumentError(f"rate={rate:g}", hint="1 is as fast as it is measured, 3600 an hour each second")
    sent, began = 0, time.monotonic()
    with broker.connected() as send:
        for reading in readings:
            if most is not None and sent >= most:
                break
            late = reading.after / rate - (time.monotonic() - began)
            if late > 0:
                time.sleep(late)
            device = reading.device.translate({ord(c): "_" for c in "/+#\0"})
            message = json.dumps({"device": reading.device, **reading.values}, ensure_ascii=False)
            send(f"{broker.topic}/{device}", message.encode("utf-8", "backslashreplace"))
            sent += 1
            told(sent, reading)
    return sent
