"""`genwright publish`: generated readings go to a broker, as devices would send them."""

import contextlib
from pathlib import Path

import click

from genwright.app.conditions import parse_given
from genwright.app.exits import answering
from genwright.app.output import print_json


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--mqtt", required=True, metavar="URL", help="The broker and topic: mqtt://HOST:PORT/TOPIC.")
@click.option("--rate", type=float, default=1.0, show_default=True, help="Times as fast as readings are measured.")
@click.option("--devices", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How many send at once.")
@click.option("-n", "--number", "n", type=click.IntRange(min=1), help="Stop after so many readings.  [default: never]")
@click.option("--given", multiple=True, metavar="K=V", help="A condition on a field, such as an event. Repeatable.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same readings.")
@answering
def publish(
    folder: Path,
    mqtt: str,
    rate: float,
    devices: int,
    n: int | None,
    given: tuple[str, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Send new readings of the series model saved in DIR to a broker, in real time or faster.

    \b
    genwright publish runs/pumps --mqtt mqtt://localhost:1883/plant --rate 3600 --devices 5 --given site=north

    Each reading is a JSON object on the topic TOPIC/DEVICE, sent with quality of service 1. Stop with Ctrl-C, or -n.
    """
    from genwright.model.saving import load
    from genwright.serve.broker import Broker
    from genwright.serve.broker import publish as send
    from genwright.serve.readings import readings

    broker = Broker.of(mqtt)
    generator = load(folder)
    stream = readings(generator, devices=devices, given=parse_given(given, generator), seed=seed)
    sent = 0

    def count(number: int, _: object) -> None:
        nonlocal sent
        sent = number

    with contextlib.suppress(KeyboardInterrupt):
        send(stream, broker, rate=rate, most=n, told=count)
    if as_json:
        print_json({"broker": f"{broker.host}:{broker.port}", "topic": broker.topic, "readings": sent})
    else:
        click.echo(f"sent {sent:,} readings to {broker.host}:{broker.port}/{broker.topic}", err=True)
