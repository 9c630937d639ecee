"""The verbs `adapt` and `adapters`: a model learns something new from few examples; what it learned counts or not."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genwright.app.exits import answering
from genwright.app.folders import afresh, claimed, no_run
from genwright.app.options import read_data, reading
from genwright.app.output import print_json, save
from genwright.app.progress import shown
from genwright.app.wording import tell
from genwright.errors import ArgumentError

if TYPE_CHECKING:
    from genwright.model.generator import Generator


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The folder to write.  [default: runs/DIR-NAME]")
@click.option("--name", default="adapter", show_default=True, help="What the adapter is called.")
@click.option("--given", multiple=True, metavar="K=V", help="A label that all of DATA has, where it tells none.")
@click.option("--keep", metavar="DATA", help="Records of what is not to be forgotten.  [default: drawn from the model]")
@click.option("--minutes", type=float, help="Training time in minutes.  [default: 2]")
@click.option("--steps", type=int, help="Training steps, instead of --minutes: the same result on any day.")
@click.option("--lora", type=int, default=8, show_default=True, metavar="RANK", help="Of the matrices that move.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--force", is_flag=True, help="Replace what is in the folder.")
@reading
@answering
def adapt(
    folder: Path,
    data: str,
    out: Path | None,
    name: str,
    given: tuple[str, ...],
    keep: str | None,
    minutes: float | None,
    steps: int | None,
    lora: int,
    seed: int,
    device: str,
    force: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Teach the model saved in DIR something new from the few records of DATA, and save the result.

    \b
    genwright adapt runs/animals birds/ --given label=bird --name birds --minutes 1 --out runs/with-birds
    genwright sample runs/with-birds -n 16 --given label=bird --out drawn/

    Low-rank matrices beside its layers learn (LoRA); half of what they see is what the model draws already, or --keep,
    so that it is not forgotten. Labels beside images and texts may be new.
    """
    from genwright.model.saving import load

    model = load(folder, device=device)
    source = read_data(data, how)
    kept = None if keep is None else read_data(keep, how)
    labels = dict(_pair(each) for each in given)
    with claimed(out, f"{folder.resolve().name}-{name}", force=force) as place, shown() as listener:
        no_run(place, force=force)

        def work() -> "Generator":
            ways: dict[str, Any] = {"minutes": minutes, "steps": steps, "lora": lora, "seed": seed, "device": device}
            return model.adapt(source, name=name, given=labels, keep=kept, folder=place, listener=listener, **ways)

        made = afresh(place, work, force=force)
        save(made, place)
    step = made.record["adapted"][-1]
    if as_json:
        print_json({"folder": str(place), "adapted": step})
        return
    for line in learned_lines(step):
        tell(line)
    click.echo(str(place))


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--weigh", multiple=True, metavar="NAME=W", help="How much an adapter counts: 1 as learned. Repeatable.")
@click.option("--remove", multiple=True, metavar="NAME", help="Take an adapter off, and its labels. Repeatable.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The folder to write the model to.")
@click.option("--force", is_flag=True, help="Replace what is in the folder.")
@answering
def adapters(
    folder: Path, weigh: tuple[str, ...], remove: tuple[str, ...], out: Path | None, force: bool, as_json: bool
) -> None:
    """List the adapters of the model saved in DIR; or weigh them, or take some off, and save that model.

    \b
    genwright adapters runs/with-birds
    genwright adapters runs/with-birds --weigh birds=.5 --out runs/half-birds
    genwright adapters runs/with-birds --remove birds --out runs/as-before
    """
    from genwright.model.saving import load

    model = load(folder, device="cpu")
    if (weigh or remove) and out is None:
        raise ArgumentError("needs a folder to write to", where="--weigh, --remove", hint="add --out runs/other")
    if weigh:
        model = model.with_adapters(dict(_weight(each) for each in weigh))
    for name in remove:
        model = model.without(name)
    if out is not None:
        with claimed(out, folder.resolve().name, force=force) as place:
            no_run(place, force=force)
            save(model, place)
    if as_json:
        print_json({"folder": str(out or folder), "adapters": model.adapters})
        return
    for name, weight in model.adapters.items():
        click.echo(f"{name}  {weight:g}")


def learned_lines(step: dict[str, Any]) -> list[str]:
    """What an adapter brought."""
    new, kept = step["new_loss"], step["kept_loss"]
    labels = [f"{field} {value}" for field, values in step["labels"].items() for value in values]
    return [
        *([f"new: {', '.join(labels)}"] if labels else []),
        f"held-out loss of what is new: {new[0]:.4g} before, {new[1]:.4g} after ({step['rows'][1]} records)",
        f"held-out loss of what it knew: {kept[0]:.4g} before, {kept[1]:.4g} after ({step['kept'][1]} records)",
        f"adapted in {step['seconds']:.0f} s",
    ]


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise ArgumentError(f"{given!r:.80} is not NAME=VALUE", where="--given", hint="for example --given label=bird")
    return name, value


def _weight(given: str) -> tuple[str, float]:
    name, _, weight = given.partition("=")
    try:
        return name, float(weight)
    except ValueError:
        hint = "for example --weigh birds=.5"
        raise ArgumentError(f"{given!r:.80} is not NAME=WEIGHT", where="--weigh", hint=hint) from None
