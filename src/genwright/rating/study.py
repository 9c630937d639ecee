"""A study's folder: set up once, taken up again at any time. protocol.json comes last and says that it is whole."""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from genwright.errors import ArgumentError, StorageError
from genwright.folders import probe, remove, safe_join, writing
from genwright.rating.assignment import KINDS, Planned, Slot, assign, blocks_for, needed
from genwright.rating.exclusions import Rules
from genwright.rating.media import MEDIA, Source
from genwright.rating.protocol import OVERLAP, Protocol
from genwright.rating.records import ANSWERS, Stimulus
from genwright.rating.stimuli import card, digest, draw, medium_of
from genwright.rating.store import Store
from genwright.rating.words import padded
from genwright.storage import read_json, sha256, write_json
from genwright.typed import wrong

PROTOCOL, STIMULI, DATABASE = "protocol.json", "stimuli", "study.sqlite"
NO_SYSTEM = ""  # what attention checks show belongs to no system


@dataclass(frozen=True)
class Opened:
    """A study ready to be served: its protocol, its store, and the file shown under each stimulus id."""

    protocol: Protocol
    store: Store
    media: Mapping[str, Path]


def holds_study(folder: Path) -> bool:
    """Whether a study was set up in `folder`."""
    return (folder / PROTOCOL).is_file()


def set_up(
    folder: Path, sources: Mapping[str, Source], protocol: Protocol, *, version: str, store: str | None = None
) -> Opened:
    """Draw stimuli, plan every rater's trials, and write both into `folder`.

    `store` is a PostgreSQL URL or the path of a SQLite file; by default study.sqlite in the folder. Raises DataError
    for stimuli that do not suffice or cannot be shown, ArgumentError for a folder with something else in it.
    """
    probe(folder / STIMULI)
    _clear(folder)
    protocol = replace(protocol, medium=medium_of(sources))
    protocol = replace(protocol, consent=protocol.consent_text)
    shown = draw(sources, needed(protocol, -(-protocol.raters // OVERLAP)), seed=protocol.seed)
    protocol = replace(
        protocol,
        preparation=shown.notes,
        exclusions=Rules(seconds=protocol.minimum_seconds).to_json(),
        blocks=blocks_for(protocol, shown.available),
        study=secrets.token_hex(8),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        genwright=version,
    )
    used = needed(protocol, protocol.blocks)
    files = {(system, i): raw for system, each in shown.files.items() for i, raw in enumerate(each[: used[system]])}
    with writing(folder):
        (folder / STIMULI).mkdir(parents=True)
    stimuli = _written(folder, protocol, files)
    kept = Store(store or folder / DATABASE, study=protocol.study)
    kept.begin(protocol.to_json(), stimuli)
    media = {stimulus.id: _file(folder, stimulus) for stimulus in stimuli}
    _invite_all(protocol, kept, stimuli, media)
    write_json(folder / PROTOCOL, protocol.to_json())
    return Opened(protocol, kept, media)


def take_up(folder: Path, *, store: str | None = None) -> Opened:
    """The study in `folder` as it was left; who withdrew is replaced by a new invite.

    Raises StorageError if there is none, if a stimulus is not what it was, or if the store holds another study.
    """
    path = folder / PROTOCOL
    protocol = Protocol.from_json(read_json(path), where=str(path))
    if store is None and not (folder / DATABASE).is_file():
        hint = "say where with --store: the PostgreSQL URL or the SQLite file it was set up with"
        raise StorageError("the answers are not in this folder", where=str(folder), hint=hint)
    kept = Store(store or folder / DATABASE, study=protocol.study)
    if kept.protocol != protocol.to_json():
        hint = f"the study in {folder} has the id {protocol.study}; look for a copy of its store"
        raise StorageError("the store holds no such study", where=str(store or folder / DATABASE), hint=hint)
    stimuli = kept.study().stimuli
    media = {stimulus.id: _checked(folder, stimulus) for stimulus in stimuli}
    try:
        _invite_all(protocol, kept, stimuli, media)
    except LookupError:
        raise wrong("not all that the protocol shows is there", str(store or folder / DATABASE)) from None
    return Opened(protocol, kept, media)


def _clear(folder: Path) -> None:
    """Remove what an interrupted setting up left behind; raise if there is anything else."""
    if folder.exists() and not folder.is_dir():
        raise ArgumentError("there is a file of this name", where=str(folder), hint="give another --out")
    there = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.exists() else []
    for path in there:
        if path.name != STIMULI and not path.name.startswith(DATABASE):
            what = f"the folder holds {path.name!r}, which is not of a rating study"
            raise ArgumentError(what, where=str(folder), hint="give a new folder with --out")
    for path in there:
        remove(path)


def _file(folder: Path, stimulus: Stimulus) -> Path:
    return safe_join(folder / STIMULI, f"{stimulus.id}{MEDIA[stimulus.medium].suffix}")


def _checked(folder: Path, stimulus: Stimulus) -> Path:
    """The file of a stimulus; a StorageError if it is not the one that was written."""
    path = _file(folder, stimulus)
    if not path.is_file():
        raise StorageError("no such file", where=str(path), hint="restore the folder")
    if sha256(path) != stimulus.sha256:
        raise StorageError("not the stimulus that was shown before", where=str(path), hint="restore the folder")
    return path


def _written(folder: Path, protocol: Protocol, files: Mapping[Slot, bytes]) -> list[Stimulus]:
    """Stimuli under random ids, in the order of `files`, then the cards of attention checks; each as a file."""
    cards = [card(kind, answer, right=r) for kind in KINDS for answer in ANSWERS[kind] for r in (False, True)]
    encoded = [text.encode() for text in dict.fromkeys(cards)]
    shown = list(files.values())
    if protocol.medium == "text":
        alike = padded({"shown": shown, "cards": encoded})
        shown, encoded = alike["shown"], alike["cards"]
    of = [(system, protocol.medium, raw) for (system, _), raw in zip(files, shown, strict=True)]
    of += [(NO_SYSTEM, "text", raw) for raw in encoded]
    stimuli = []
    for system, medium, raw in of:
        stimulus = Stimulus(id=secrets.token_hex(8), system=system, medium=medium, sha256=digest(raw))
        with writing(_file(folder, stimulus)):
            _file(folder, stimulus).write_bytes(raw)
        stimuli.append(stimulus)
    return stimuli


def _invite_all(protocol: Protocol, kept: Store, stimuli: Sequence[Stimulus], media: Mapping[str, Path]) -> None:
    """Give every place of the study that is not taken its trials and an invite."""
    ids: dict[Slot, str] = {}
    count: Counter[str] = Counter()
    cards: dict[str, str] = {}
    for stimulus in stimuli:
        ids[stimulus.system, count[stimulus.system]] = stimulus.id
        count[stimulus.system] += 1
        if stimulus.system == NO_SYSTEM:
            cards[media[stimulus.id].read_text(encoding="utf-8").rstrip("\n")] = stimulus.id
    for slot, plan in enumerate(assign(protocol, protocol.blocks)):
        kept.invite(slot, [(planned, *_sides(planned, ids, cards)) for planned in plan])


def _sides(planned: Planned, ids: Mapping[Slot, str], cards: Mapping[str, str]) -> tuple[str, str]:
    """The ids shown left and right; right is empty for one stimulus alone."""
    if planned.role == "attention":
        left = cards[card(planned.kind, planned.expected)]
        return left, cards[card(planned.kind, planned.expected, right=True)] if planned.kind == "pair" else ""
    left, *right = (ids[slot] for slot in planned.stimuli)
    return left, right[0] if right else ""
