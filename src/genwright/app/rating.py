"""The verb `rate`: set up or take up a study of human judgements, and serve its page until Ctrl-C."""

import re
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from genwright.app.exits import answering
from genwright.app.options import read_data, reading
from genwright.app.output import print_json
from genwright.app.wording import tell
from genwright.errors import ArgumentError
from genwright.folders import placed

if TYPE_CHECKING:
    from genwright.data.dataset import Dataset
    from genwright.rating.protocol import Protocol
    from genwright.rating.study import Opened

PASSWORD = "//[^@/]*@"  # and user, in the URL of a database
GRACE = 3.0  # seconds that requests under way have to end after Ctrl-C
SAMPLES = 1000  # drawn from a saved generator, of which a study shows some


@click.command()
@click.argument("systems", nargs=-1, metavar="[SYSTEM]...")
@click.option("--real", metavar="DATA", help="Real data of the same kind, rated along unnamed.")
@click.option("--questions", metavar="LIST", help="What to ask, separated by commas.  [default: see below]")
@click.option(
    "--raters", type=click.IntRange(min=1), default=1, show_default=True, help="How many people rate; each has a link."
)
@click.option(
    "--trials", type=click.IntRange(min=1), default=24, show_default=True, help="Questions per rater, besides checks."
)
@click.option("--exposure", type=float, metavar="MS", help="How long images show for real-or-generated.  [1000]")
@click.option("--minimum", type=float, metavar="SECONDS", default=1.0, show_default=True, help="Least time to answer.")
@click.option("--title", default="Rating study", show_default=True, help="What raters see above the page.")
@click.option("--consent", type=click.Path(path_type=Path), help="A text file to agree to, instead of ours.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is shown to whom, when and where.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/rating"), show_default=True, help="The folder."
)
@click.option("--store", metavar="URL|PATH", help="Keep answers in PostgreSQL, or in this SQLite file.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for the network.")
@click.option("--port", type=click.IntRange(0, 65535), default=8350, show_default=True, help="Port; 0: any free one.")
@click.option("--no-browser", is_flag=True, help="Do not open the page here.")
@reading
@answering
def rate(out: Path, store: str | None, host: str, port: int, no_browser: bool, as_json: bool, **asked: Any) -> None:
    """Have people rate the samples of SYSTEMs, blind, on a page that this computer serves.

    \b
    genwright rate runs/vae/samples runs/flow/samples --real digits
    genwright rate a.jsonl b.jsonl --questions preference,coherence,creativity --raters 10 --trials 40
    genwright rate voices_a/ voices_b/ --host 0.0.0.0 --store postgresql://localhost/studies
    genwright rate --out runs/rating                     go on with a study

    A SYSTEM is a folder of images or of .wav, a file of texts or of table rows, or a folder with a saved generator.
    Every rater gets a link; the page works on a phone too and can be left and opened again. Stop with Ctrl-C; the
    same command goes on, and `genwright ratings` analyses what there is at any time.

    \b
    Questions: preference (which of two is better), real or generated, aesthetic quality, creativity, coherence,
    emotional impact, cultural appropriateness, technical competence; the first letters will do, and "all" is all.
    Without --questions: preference, and with --real also real or generated.
    """
    from genwright.rating.study import holds_study, set_up, take_up
    from genwright.serve.listening import listening, require_server

    require_server("the rating page")
    with listening(host, port) as bound:
        if holds_study(out):
            study = take_up(out, store=store)
            _refuse_others(study.protocol, asked, out)
        elif asked["systems"]:
            from genwright import __version__

            sources = _sources(asked)
            study = set_up(out, sources, _protocol(asked, sources), version=__version__, store=store)
        else:
            hint = "name the systems to compare: genwright rate A B --real DATA"
            raise ArgumentError("there is no study to go on with", where=str(out), hint=hint)
        browser = not no_browser and not as_json
        links = serve_study(study, bound, host=host, browser=browser, told=_teller(out, study, as_json))
    if links and not as_json:
        _tell_goodbye(out, study, store)


def serve_study(
    study: "Opened", bound: socket.socket, *, host: str, browser: bool, told: Callable[[list[str], list[str]], None]
) -> list[str]:
    """Serve `study` until Ctrl-C, after telling every rater's link; returns the links."""
    from genwright.rating.server import application
    from genwright.serve.listening import is_loopback, names_of, reached_at, run

    app = application(study, **names_of(host))
    address = f"http://{reached_at(host)}:{bound.getsockname()[1]}"
    links = [f"{address}/#{invite.token}" for invite in study.store.invites()]
    warning = f"anyone on the network who has a link can rate; {address} is not encrypted"
    told(links, [] if is_loopback(host) else [warning])
    if browser:
        threading.Timer(0.5, webbrowser.open, [links[0]]).start()
    run(app, bound, grace=GRACE)
    return links


def _teller(out: Path, study: "Opened", as_json: bool) -> Any:
    """What is said once the server listens: the links, and what raters are shown."""

    def started(links: list[str], warnings: list[str]) -> None:
        protocol = study.protocol
        if as_json:
            facts = {"folder": str(out), "study": protocol.study, "links": links, "notes": list(protocol.preparation)}
            print_json(facts)
            return
        for note in (*protocol.preparation, *warnings):
            tell(f"note: {note}")
        click.echo(f"{', '.join(protocol.systems)}: {', '.join(protocol.questions)}", err=True)
        click.echo("one link for each rater:" if len(links) > 1 else "the rater's link:", err=True)
        for link in links:
            click.echo(link)
        click.echo("Ctrl-C stops the server; answers are kept", err=True)

    return started


def _tell_goodbye(out: Path, study: "Opened", store: str | None) -> None:
    kept = study.store.study()
    where = str(out) if store is None else f"{out} --store {re.sub(PASSWORD, '//', store)}"
    click.echo(f"\n{len(kept.ratings)} answers of {len(kept.raters)} raters are kept in {out}", err=True)
    click.echo(f"go on:    genwright rate --out {where}", err=True)
    click.echo(f"analyse:  genwright ratings {where}", err=True)


def _protocol(asked: dict[str, Any], sources: dict[str, Any]) -> "Protocol":
    """The protocol that the options describe, for systems of the kind found."""
    from genwright.rating.protocol import Protocol, questions_named
    from genwright.rating.records import REAL
    from genwright.rating.stimuli import medium_of

    default = "preference, real or generated" if REAL in sources else "preference"
    questions = questions_named(asked["questions"] or default)
    if asked["trials"] < len(questions):
        what = f"{asked['trials']} are too few for {len(questions)} questions"
        raise ArgumentError(what, where="--trials", hint="each question is asked at least once")
    medium = medium_of(sources)
    timed = medium == "image" and "real or generated" in questions
    if asked["exposure"] is not None and not timed:
        what = "applies to images whose origin is asked, which this study has not"
        raise ArgumentError(what, where="--exposure", hint="leave it out")
    exposure = 1000.0 if asked["exposure"] is None else asked["exposure"]
    return Protocol(
        systems=tuple(sources),
        medium=medium,
        questions=questions,
        raters=asked["raters"],
        per_question=asked["trials"] // len(questions),
        seed=asked["seed"],
        title=asked["title"],
        consent="" if asked["consent"] is None else _text(asked["consent"]),
        exposure_seconds=exposure / 1000 if timed else 0.0,
        minimum_seconds=asked["minimum"],
    )


def _text(path: Path) -> str:
    from genwright.data.encodings import decode_table
    from genwright.data.files import read_bytes

    return decode_table(read_bytes(path), str(path))[0].replace("\r\n", "\n").strip()


def _refuse_others(protocol: "Protocol", asked: dict[str, Any], out: Path) -> None:
    """Raise if the command says anything else than the study in `out` was set up with."""
    from genwright.rating.protocol import questions_named
    from genwright.rating.records import REAL

    named = tuple(_names(asked["systems"]))
    if named and named != tuple(name for name in protocol.systems if name != REAL):
        what = f"the study there is about {', '.join(protocol.systems)}"
        raise ArgumentError(what, where=str(out), hint="give another --out, or no systems to go on with it")
    fixed = {
        "questions": lambda text: questions_named(text) == protocol.questions,
        "raters": lambda n: n == protocol.raters,
        "trials": lambda n: n // len(protocol.questions) == protocol.per_question,
        "exposure": lambda milliseconds: milliseconds / 1000 == protocol.exposure_seconds,
        "minimum": lambda seconds: seconds == protocol.minimum_seconds,
        "title": lambda text: text == protocol.title,
        "consent": lambda path: _text(path) == protocol.consent,
        "seed": lambda seed: seed == protocol.seed,
    }
    context = click.get_current_context()
    for name, same in fixed.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and not same(asked[name]):
            what = "the study there was set up otherwise, and its protocol is fixed"
            raise ArgumentError(what, where=f"--{name}", hint="leave it out, or give another --out")


def _names(systems: tuple[str, ...]) -> list[str]:
    """Short names of the systems: the last parts of their paths, as many as make them differ."""
    paths = [Path(each).resolve().parts for each in systems]
    for depth in range(1, max(map(len, paths), default=0) + 1):
        names = ["/".join(parts[-depth:]) for parts in paths]
        if len(set(names)) == len(names):
            return names
    if systems:
        raise ArgumentError("the same system twice", where=systems[0], hint="name each system once")
    return []


def _sources(asked: dict[str, Any]) -> dict[str, Any]:
    """Every system's records, real data last."""
    from genwright.rating.records import REAL

    how = {key: asked[key] for key in ("label", "missing", "schema", "field", "size", "records")}
    names = _names(asked["systems"])
    if REAL in names:
        raise ArgumentError(f"no system may be called {REAL!r}", where=REAL, hint="rename it, or give it with --real")
    real = None if asked["real"] is None else _source(asked["real"], None, how)
    sources: dict[str, Any] = {}
    for name, system in zip(names, asked["systems"], strict=True):
        first = real if real is not None else next(iter(sources.values()), None)
        sources[name] = _source(system, first, how)
    return sources if real is None else {**sources, REAL: real}


def _source(where: str, like: "Dataset | Path | None", how: dict[str, Any]) -> "Dataset | Path":
    """A folder of sounds, samples of a saved generator, or a Dataset; a table or text is read as `like` was."""
    from genwright.data.dataset import Dataset
    from genwright.data.like import read_like
    from genwright.data.media import KINDS
    from genwright.rating.sounds import wav_files

    path = Path(where).expanduser()
    if path.is_dir() and placed(path, "recipe.json").is_file():
        from genwright.model.saving import load

        return load(path).sample(SAMPLES)
    if path.is_dir() and wav_files(path):
        return path
    if path.is_file() and isinstance(like, Dataset) and KINDS[like.kind].folder is None:
        return read_like(where, like, missing=how["missing"])
    return read_data(where, how)
