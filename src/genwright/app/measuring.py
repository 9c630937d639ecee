"""`genwright evaluate` and `genwright compare`: generated data held against real data."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from genwright.app.exits import answering
from genwright.app.options import read_data, reading, size_of
from genwright.app.output import print_json
from genwright.app.wording import tell
from genwright.errors import ArgumentError
from genwright.folders import placed, probe

if TYPE_CHECKING:
    from genwright.data.dataset import Dataset
    from genwright.metrics.comparison import Comparison
    from genwright.metrics.evaluate import Evaluation
    from genwright.model.generator import Generator

Verb = TypeVar("Verb", bound=Callable[..., Any])

_OPTIONS = [
    click.option("--real", required=True, metavar="DATA", help="The real data to hold the generated against."),
    click.option("--train", metavar="DATA", help="What the generators were fitted to, to look for copies."),
    click.option(
        "--features",
        metavar="KIND=PATH[#HASH]",
        help="Measure images by a published network: inception, dinov2, vgg16 or alexnet, and its weights file.",
    ),
    click.option("--cache", type=click.Path(path_type=Path), help="Keep features of images in this folder."),
    click.option(
        "--embed",
        is_flag=True,
        help="Also measure text by an embedding (MAUVE, coherence); minutes rather than seconds.",
    ),
    click.option(
        "--out", type=click.Path(path_type=Path), help="Also write scores.html and scores.json to this folder."
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of samples and metrics."),
]


def _measuring(verb: Verb) -> Verb:
    """The options of both verbs: the real data, what to measure with, and where to write."""
    for option in reversed(_OPTIONS):
        verb = option(verb)
    return verb


@click.command()
@click.argument("fake", metavar="FAKE_OR_DIR")
@_measuring
@click.option("--paired", is_flag=True, help="Record i of FAKE answers record i of DATA, as a translation does.")
@click.option("--lpips", metavar="KIND=BACKBONE,HEADS", help="With --paired images: LPIPS by alexnet or vgg16 weights.")
@reading
@answering
def evaluate(
    fake: str,
    real: str,
    train: str | None,
    paired: bool,
    lpips: str | None,
    features: str | None,
    cache: Path | None,
    embed: bool,
    out: Path | None,
    seed: int,
    as_json: bool,
    **how: Any,
) -> None:
    """Score generated data, or a saved generator, against real data.

    \b
    genwright evaluate runs/wine --real wine
    genwright evaluate fake.csv --real held_out.csv --train patients.csv --json
    genwright evaluate fakes/ --real photos/ --features inception=pt_inception-2015-12-05-6726825d.safetensors
    genwright evaluate translated.txt --real reference.txt --paired --records lines

    Whoever made FAKE: any folder of images, table or text will do. A saved generator is compared with the test part of
    the data it was fitted to, which its fit never saw; with all of any other data. A file is compared with all of the
    real data.
    """
    _probe(out)
    tools = _tools(features, cache, embed)
    network = None if lpips is None else _lpips(lpips)
    source = read_data(real, how)
    seen = None if train is None else _read_alike(train, source, how)
    generator = _saved(fake)
    held_out, seen = _held_out([generator], source, seen)
    generated = _generated(fake, generator, held_out, how, seed)
    click.echo(f"{len(generated):,} generated records against {len(held_out):,} real ones", err=True)
    if paired:
        from genwright.metrics.evaluate import evaluate_pairs

        evaluation = evaluate_pairs(generated, real=held_out, encoder=tools["encoder"], network=network, seed=seed)
    else:
        from genwright.metrics.evaluate import evaluate as measure

        evaluation = measure(generated, real=held_out, train=seen, generator=generator, **tools, seed=seed)
    if out is not None:
        from genwright.report.measured import write_evaluation

        write_evaluation(evaluation, fake=generated, real=held_out, train=seen, out=out, name=fake)
    _answer(evaluation, held_out, as_json=as_json)


@click.command()
@click.argument("systems", metavar="FAKE_OR_DIR...", nargs=-1, required=True)
@_measuring
@click.option("--by", metavar="SCORE", help="The score that decides.  [default: the headline of this kind of data]")
@reading
@answering
def compare(
    systems: tuple[str, ...],
    real: str,
    train: str | None,
    by: str | None,
    features: str | None,
    cache: Path | None,
    embed: bool,
    out: Path | None,
    seed: int,
    as_json: bool,
    **how: Any,
) -> None:
    """Rank two or more sets of samples, or saved generators, against the same real data.

    \b
    genwright compare ours.csv theirs.csv --real held_out.csv
    genwright compare runs/digits other_fakes/ --real digits --json
    genwright compare a/ b/ c/ --real photos/ --by "kernel distance" --out comparison

    Every difference has an interval and a p-value corrected for the number of pairs. Systems that the data cannot tell
    apart are said to be so. A baseline that learns next to nothing stands among them. As many records of each are used.
    Where a saved generator among them was fitted to DATA, all are held against the test part of it, which that fit
    never saw.
    """
    from genwright.metrics.comparison import compare as rank

    if len(set(systems)) < len(systems):
        raise ArgumentError("the same samples twice", where="compare", hint="give different files or folders")
    _probe(out)
    tools = _tools(features, cache, embed)
    source = read_data(real, how)
    seen = None if train is None else _read_alike(train, source, how)
    generators = {name: _saved(name) for name in systems}
    held_out, seen = _held_out(generators.values(), source, seen)
    click.echo(f"all against {len(held_out):,} real records", err=True)
    sets = {name: _generated(name, generator, held_out, how, seed) for name, generator in generators.items()}
    found = rank(sets, real=held_out, train=seen, by=by, **tools, seed=seed)
    if out is not None:
        from genwright.report.measured import write_comparison

        write_comparison(found, systems=sets, real=held_out, out=out)
    if as_json:
        print_json(found.to_json())
    else:
        _tell_ranking(found)


def _probe(out: Path | None) -> None:
    """Raise now where `--out` cannot be written later."""
    if out is not None:
        probe(out / "scores.json")


def _tools(features: str | None, cache: Path | None, embed: bool) -> dict[str, Any]:
    """What the options ask to measure with."""
    from genwright.extractors.feature_cache import FeatureCache

    return {
        "extractor": None if features is None else _network(features),
        "cache": None if cache is None else FeatureCache(cache),
        "encoder": _encoder(embed),
    }


def _network(features: str) -> Any:
    """`KIND=PATH` or `KIND=PATH#HASH` as a network with published weights."""
    from genwright.extractors.networks import Kind, load_network

    kind: Any
    kind, _, path = features.partition("=")
    if kind not in get_args(Kind) or not path:
        what = f"{features!r} is not of the form KIND=PATH"
        raise ArgumentError(what, where="--features", hint=f"KIND is one of {', '.join(get_args(Kind))}")
    path, pinned = _pinned(path)
    return load_network(path, kind, pinned=pinned)


def _lpips(option: str) -> Any:
    """`KIND=BACKBONE,HEADS`, each with #HASH or without, as a loaded LPIPS."""
    from genwright.extractors.backbones import Backbone
    from genwright.metrics.perceptual import load_lpips

    kind: Any
    kind, _, paths = option.partition("=")
    backbone, _, heads = paths.partition(",")
    if kind not in get_args(Backbone) or not heads:
        what = f"{option!r} is not of the form KIND=BACKBONE,HEADS"
        raise ArgumentError(
            what, where="--lpips", hint=f"KIND is one of {', '.join(get_args(Backbone))}; then two files"
        )
    (backbone, below), (heads, above) = _pinned(backbone), _pinned(heads)
    return load_lpips(backbone, heads, kind=kind, pinned=(below, above))


def _pinned(path: str) -> tuple[str, str | None]:
    """A path, and the hash of its tensors where it is pinned behind #."""
    found = re.fullmatch(r"(.+)#([0-9a-f]{8,64})", path)
    return (found[1], found[2]) if found else (path, None)


def _encoder(embed: bool) -> Any:
    from genwright.extractors.embedding import TextEncoder

    return TextEncoder() if embed else None


def _saved(name: str) -> "Generator | None":
    """The generator saved in the folder `name`; None if it is anything else."""
    from genwright.model.checkpoint import holds_checkpoint
    from genwright.model.saving import load

    folder = Path(name)
    return load(folder) if placed(folder, "recipe.json").is_file() or holds_checkpoint(folder) else None


def _held_out(
    generators: "Iterable[Generator | None]", source: "Dataset", seen: "Dataset | None"
) -> "tuple[Dataset, Dataset | None]":
    """The real records that all are held against, and those that were fitted to, if they are known.

    All of `source`; where one of the generators was fitted to just that and left out a test part, that and the training
    part. Private fits leave out none.
    """
    fitted_to = [g.record["data"] for g in generators if g is not None and "data" in g.record]
    if seen is None and any(
        data["split"]["test"] and (data["name"], data["rows"]) == (source.name, len(source)) for data in fitted_to
    ):
        return source.test, source.train
    return source, seen


def _generated(
    name: str, generator: "Generator | None", held_out: "Dataset", how: dict[str, Any], seed: int
) -> "Dataset":
    """What the file or folder `name` holds, or as many records from the generator as `held_out` asks for."""
    from genwright.runs.parts import drawn

    if generator is None:
        return _read_alike(name, held_out, how)
    return generator.sample(drawn(held_out), seed=seed)


def _read_alike(name: str, real: "Dataset", how: dict[str, Any]) -> "Dataset":
    """A file with the types and formats of `real`, whatever it alone would suggest; a built-in set as it is."""
    from genwright.data.builtin import BUILTIN
    from genwright.data.like import read_like

    if name in BUILTIN and not Path(name).exists():
        return read_data(name, how)
    return read_like(name, real, missing=how["missing"], size=size_of(how))


def _answer(evaluation: "Evaluation", real: "Dataset", *, as_json: bool) -> None:
    """The scores, after what they say together."""
    from genwright.report.reading import read_all, verdict

    summary = verdict(read_all(evaluation.scores), unseen=len(real)).summary
    if as_json:
        print_json({"verdict": summary} | evaluation.to_json())
        return
    click.echo(summary)
    _tell(evaluation)


def _tell(evaluation: "Evaluation") -> None:
    """Scores by group on standard output, notes on standard error."""
    for group, scores in evaluation.groups():
        click.echo(group)
        for score in scores:
            click.echo(f"  {score}" + (f"  ({score.note})" if score.note else ""))
    for note in evaluation.notes:
        tell(f"note: {note}")


def _tell_ranking(found: "Comparison") -> None:
    click.echo(f"by {found.rule}")
    places = {name: place for place, (name, _) in enumerate(found.ranking, start=1)}
    for name, score in found.board:
        click.echo(f"{places[name]}. {name}: {score}" if name in places else f"baseline ({name}): {score}")
    for pair in found.pairs:
        low, high = pair.interval
        verdict = "told apart" if pair.adjusted_p < 0.05 else "cannot tell apart"
        told = f"{pair.first} - {pair.second}: {pair.value:.4g} [{low:.4g}, {high:.4g}], p = {pair.adjusted_p:.2g}"
        click.echo(f"  {told}: {verdict}")
    best = found.best
    told = f"{', '.join(best)} cannot be told apart: none of them is best"
    click.echo(told if best[1:] else f"best: {best[0]}")
    for name in found.unusable:
        click.echo(f"{name}: unusable, no better than a baseline that learns next to nothing")
    for note in found.notes:
        tell(f"note: {note}")
