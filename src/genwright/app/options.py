"""Options that several verbs share."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from genwright.errors import ArgumentError

if TYPE_CHECKING:
    from genwright.constraints import Rule
    from genwright.data.dataset import Dataset
    from genwright.families.sampling import Sampling
    from genwright.model.generator import Generator
    from genwright.privacy import Privacy

Verb = TypeVar("Verb", bound=Callable[..., Any])

_READING = [
    click.option("--label", metavar="COL", help="The column a classifier would predict."),
    click.option(
        "--missing", metavar="MARK", multiple=True, help="A mark that also means “missing”, e.g. -200. Repeatable."
    ),
    click.option(
        "--schema",
        metavar="COL=KIND",
        multiple=True,
        help="Read COL as number, category, time, identifier or text, or drop it; number,comma or time,%d/%m/%Y say "
        "how it is written. Repeatable.",
    ),
    click.option("--table", metavar="NAME", help="The table to read, where DATA is the URL of a database."),
    click.option("--query", metavar="SQL", help="Or the query whose rows to read."),
    click.option(
        "--max-rows",
        type=click.IntRange(min=1),
        default=1_000_000,
        show_default=True,
        help="Of a longer table, draw so many rows at random.",
    ),
    click.option(
        "--series",
        metavar="time=COL,…",
        help="DATA holds readings over time: time=COL,entity=COL; window=N makes records of N readings in a row.",
    ),
    click.option("--field", metavar="NAME", help="The field of a .jsonl that holds the text."),
    click.option("--size", metavar="WxH", help="Resize images to this many pixels, e.g. 32x32. Never done unasked."),
    click.option(
        "--records",
        type=click.Choice(["lines", "running"]),
        help="Whether a .txt holds one record per line or one running text.",
    ),
]


def reading(verb: Verb) -> Verb:
    """The options that say how DATA is to be read."""
    for option in reversed(_READING):
        verb = option(verb)
    return verb


def ruling(verb: Verb) -> Verb:
    """The options that say what every generated row has to keep."""
    rules = click.option("--constraints", metavar="FILE", help="Rules that every row keeps, as JSON; inspect suggests.")
    drop = click.option("--drop-broken", is_flag=True, help="Leave out rows of DATA that break a rule.")
    return rules(drop(verb))


def read_ruled(source: str, how: dict[str, Any]) -> tuple["Dataset", tuple["Rule", ...]]:
    """DATA as the reading options say, and the rules that its rows keep."""
    from genwright.constraints import keep, read_rules

    data = read_data(source, how)
    rules = () if how["constraints"] is None else read_rules(how["constraints"])
    return (keep(data, rules) if how["drop_broken"] else data), rules


def protecting(verb: Verb) -> Verb:
    """The options of a private fit."""
    epsilon = click.option("--epsilon", type=float, help="Fit with (epsilon, delta)-differential privacy; 3 is usual.")
    delta = click.option("--delta", type=float, help="Its delta.  [default: rows to the power -1.1]")
    public = click.option("--public", metavar="FILE", help="What may be known of columns, as JSON: ranges and levels.")
    return epsilon(delta(public(verb)))


def read_privacy(how: dict[str, Any]) -> "Privacy | None":
    """What the options of a private fit ask for; None where they ask for nothing."""
    from genwright.privacy import Privacy, read_public

    if how["epsilon"] is None:
        for option in ("delta", "public"):
            if how[option] is not None:
                raise ArgumentError("means nothing without --epsilon", where=f"--{option}", hint="add --epsilon 3")
        return None
    public = {} if how["public"] is None else read_public(how["public"])
    return Privacy(epsilon=how["epsilon"], delta=how["delta"], public=public)


def told_privacy(record: dict[str, Any]) -> tuple[str, ...]:
    """What a fit promises, for the end of it; nothing where it promises nothing."""
    from genwright.privacy import privacy_lines

    return privacy_lines(record["privacy"]) if "privacy" in record else ()


_CHOOSING = [
    click.option("--best-of", type=int, default=1, metavar="K", help="Keep the best of every K drawn, by --by."),
    click.option("--at-least", type=float, metavar="X", help="Or draw until each is rated X or more."),
    click.option(
        "--by",
        type=click.Choice(["density", "judge", "label", "novelty"]),
        default="density",
        show_default=True,
        help="What is good: expected by the model, like real, clearly of its label, no copy.",
    ),
    click.option("--real", metavar="DATA", help="What the model was fitted to, for all but density."),
]


def choosing(verb: Verb) -> Verb:
    """The options that say which of many records are kept."""
    for option in reversed(_CHOOSING):
        verb = option(verb)
    return verb


def read_choice(how: dict[str, Any], generator: "Generator", seed: int) -> tuple[dict[str, Any], Callable[[Any], str]]:
    """Which of many records are kept, as the options say, for `Generator.sample`; and what that costs, once drawn."""
    best_of, at_least, by, real = (how.pop(name) for name in ("best_of", "at_least", "by", "real"))
    if best_of == 1 and at_least is None:
        for option, told in (("--real", real is not None), ("--by", by != "density")):
            if told:
                raise ArgumentError("nothing is chosen", where=option, hint="add --best-of 4, or --at-least X")
        return {}, lambda kept: ""
    from genwright.data.like import read_like
    from genwright.metrics.quality import cost, rater

    if real is None and by != "density":
        raise ArgumentError(f"--by {by} holds records against real ones", where="--real", hint="add --real DATA")
    known = None if real is None else read_like(real, generator.sample(1))
    rate, seen = rater(known, by=by, model=generator, seed=seed), list[Any]()

    def watched(data: Any) -> Any:
        seen.append(data)
        return rate(data)

    watched.name = rate.name  # type: ignore[attr-defined]
    told = {"best_of": best_of, "at_least": at_least, "by": watched}
    return told, lambda kept: "" if known is None else str(cost(kept, seen[0], real=known))


_DRAWING = [
    click.option("--temperature", type=float, help="Below 1 draws the likelier, at 0 the likeliest; 1 is as learned."),
    click.option("--top-k", type=int, help="Draw each token from the K likeliest."),
    click.option("--top-p", type=float, help="Draw each token from the likeliest that make up this share."),
    click.option("--min-p", type=float, help="Leave out tokens below this share of the likeliest one's probability."),
    click.option("--steps", type=int, help="Steps from noise to a record: fewer are faster."),
    click.option("--sampler", metavar="NAME", help="How these steps are taken: heun, ddim, dpmpp_2m or ddpm."),
    click.option("--guidance", type=float, help="How strongly records follow their conditions; 1 is as learned."),
    click.option("--balanced/--independent", default=None, help="Spread rows evenly, or draw each on its own."),
    click.option(
        "--how",
        metavar="K=V,…",
        multiple=True,
        help="These and further settings by name, such as temperature=.8,max_tokens=200,stop=###. Repeatable.",
    ),
    click.option(
        "--grammar",
        metavar="FILE|REGEX",
        help="What texts follow: a .json with a JSON schema, a .lark grammar, or a regular expression.",
    ),
]


def drawing(verb: Verb) -> Verb:
    """The options that say how to draw; a family takes some of them."""
    for option in reversed(_DRAWING):
        verb = option(verb)
    return verb


def read_sampling(how: dict[str, Any]) -> "Sampling":
    """How to draw, as the options say."""
    from genwright.families.sampling import Sampling

    told = {name: value for name, value in how.items() if value is not None and name not in ("how", "grammar")}
    for name, value in (each for texts in how["how"] for each in _settings(texts)):
        if name in told and name != "stop":
            raise ArgumentError(f"{name!r} is given twice", where="--how", hint="give each setting once")
        told[name] = (*told.get(name, ()), value) if name == "stop" else value
    if "sampler" in told:
        told["sampler"] = _sampler(told["sampler"])
    if how["grammar"] is not None:
        told["grammar"] = _grammar(how["grammar"])
    return Sampling(**told)


def _settings(text: str) -> list[tuple[str, Any]]:
    """`temperature=.8,stop=a,b` as pairs: a comma that no name of a setting follows belongs to the value."""
    from genwright.families.sampling import Sampling

    kinds = {field.name: str(field.type) for field in dataclasses.fields(Sampling)}
    found = []
    for part in re.split(rf",(?=(?:{'|'.join(kinds)})=)", text):
        name, equals, value = part.partition("=")
        if not equals or name.strip() not in kinds:
            hint = f"write NAME=VALUE,… with {', '.join(kinds)}"
            raise ArgumentError(f"{part!r} is no setting", where="--how", hint=hint)
        found.append((name.strip(), _setting(value, kinds[name.strip()], name.strip())))
    return found


def _setting(text: str, kind: str, name: str) -> Any:
    """A value as its type is written."""
    if "int" in kind or "float" in kind:
        for number in (int, float):
            try:
                return number(text)
            except ValueError:
                continue
        raise ArgumentError(f"{text!r} is no number for {name}", where="--how", hint=f"for example --how {name}=1")
    if "bool" in kind:
        return text.lower() in ("true", "yes", "1")
    return text


def _sampler(name: str) -> Any:
    from genwright.families.sampling import SAMPLERS

    if name not in SAMPLERS:
        raise ArgumentError(f"{name!r} is no sampler", where="--sampler", hint=f"choose from {', '.join(SAMPLERS)}")
    return SAMPLERS[name]


def _grammar(told: str) -> str:
    """The grammar in a file, or the regular expression that stands there."""
    from genwright.model.grammars import read

    path, hint = Path(told), "give a .json with a JSON schema, a .lark grammar, or a regular expression"
    kinds = {".json": "JSON schema", ".lark": "Lark grammar"}
    if path.suffix not in kinds:
        return told
    try:
        text = path.read_text(encoding="utf-8-sig")  # which editors may begin with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{told} cannot be read: {error}", where="--grammar", hint=hint) from None
    if read(text)[0] != kinds[path.suffix]:  # a regular expression, or the other one
        hint = "a JSON schema is an object, {...}; a Lark grammar has a rule start:"
        raise ArgumentError(f"{told} holds no {kinds[path.suffix]}", where="--grammar", hint=hint)
    return text


_MODELLING = [
    click.option("--target", metavar="FIELD", help="The image or text to model given all other fields."),
    click.option(
        "--derive", metavar="FIELD: HOW", multiple=True, help='Also given a version of FIELD: "image: low resolution".'
    ),
    click.option(
        "--tokenizer",
        type=click.Choice(["auto", "bytes", "bpe"]),
        help="How text becomes tokens: a byte each, or frequent strings.  [default: auto, by the size of the corpus]",
    ),
    click.option("--context", type=int, metavar="TOKENS", help="How much of a text the model sees.  [default: 256]"),
    click.option("--start", metavar="DIR", help="Go on from the model saved there, with this data."),
    click.option(
        "--trainable",
        metavar="PATTERN",
        multiple=True,
        help="Of its parameters only these move, e.g. head.*.",
    ),
    click.option("--lora", type=int, metavar="RANK", help="Only low-rank matrices beside its layers move."),
    click.option(
        "--doctor",
        type=click.Choice(["off", "watch", "act"]),
        default="watch",
        show_default=True,
        help="Say what goes wrong while training, and stop before samples are copies; or also treat it.",
    ),
]


def modelling(verb: Verb) -> Verb:
    """The options that say what is modelled, given what, and from where."""
    for option in reversed(_MODELLING):
        verb = option(verb)
    return verb


def read_modelling(how: dict[str, Any]) -> dict[str, Any]:
    """What these options, and those of a private fit, ask for, as `fit` takes it."""
    from genwright.codecs.others import Derived
    from genwright.codecs.tokenizers import MAKERS
    from genwright.model.saving import load
    from genwright.train.doctor import Doctor

    for each in how["derive"]:
        if ": " not in each:
            hint = 'for example --derive "image: low resolution"'
            raise ArgumentError(f"{each!r} is not of the form FIELD: HOW", where="--derive", hint=hint)
    derived = tuple(Derived(*each.rsplit(": ", 1)) for each in how["derive"])
    start = None if how["start"] is None else load(how["start"])
    own = {
        "target": how["target"],
        "derived": derived,
        "start": start,
        "trainable": how["trainable"],
        "lora": how["lora"],
        "doctor": None if how["doctor"] == "off" else Doctor(act=how["doctor"] == "act"),
    }
    return own | {"tokenizer": MAKERS.get(how["tokenizer"]), "context": how["context"], "privacy": read_privacy(how)}


def read_data(source: str, how: dict[str, Any]) -> "Dataset":
    """DATA as the reading options say."""
    from genwright.data.read import read

    return read(
        source,
        label=how["label"],
        missing=how["missing"],
        schema=pairs(how["schema"], option="--schema"),
        field=how["field"],
        size=size_of(how),
        records=how["records"],
        **{option: how[option] for option in ("table", "query", "max_rows", "series") if option in how},
    )


def pairs(given: tuple[str, ...], *, option: str) -> dict[str, str]:
    """`("sex=F", "age=40")` as a mapping; the value may hold further equals signs."""
    for each in given:
        if "=" not in each.strip("="):
            raise ArgumentError(
                f"{each!r} is not of the form NAME=VALUE", where=option, hint=f"for example {option} sex=F"
            )
    return dict(each.split("=", 1) for each in given)


def size_of(how: dict[str, Any]) -> tuple[int, int] | None:
    """`--size 32x24` or `--size 32` as (height, width)."""
    text = how["size"]
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise ArgumentError(f"{text!r} is not a size", where="--size", hint="give width x height, for example 32x32")
    width, height = int(parts[0]), int(parts[-1])
    return height, width
