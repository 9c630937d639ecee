"""The store of a rating study: who answers what, kept in SQLite or PostgreSQL; an answer is there once acknowledged."""

import hmac
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from genwright.errors import GenwrightError, StorageError
from genwright.rating.assignment import Planned
from genwright.rating.database import POSTGRES, Database, Transaction, postgres, sqlite
from genwright.rating.export import checked
from genwright.rating.records import ANSWERS, Rater, Rating, Stimulus, Study, Trial
from genwright.storage import parse_json
from genwright.typed import made, typed

Record = TypeVar("Record")

TABLES = (
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS stimuli (
        number INTEGER NOT NULL, id TEXT PRIMARY KEY, system TEXT NOT NULL, medium TEXT NOT NULL, sha256 TEXT NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS raters (
        id TEXT PRIMARY KEY, slot INTEGER NOT NULL UNIQUE, token TEXT NOT NULL UNIQUE, consented_at TEXT
    )""",
    """CREATE TABLE IF NOT EXISTS trials (
        id TEXT PRIMARY KEY, rater TEXT NOT NULL REFERENCES raters (id), position INTEGER NOT NULL,
        kind TEXT NOT NULL, question TEXT NOT NULL, left_stimulus TEXT NOT NULL, right_stimulus TEXT NOT NULL,
        role TEXT NOT NULL, repeats TEXT NOT NULL, expected TEXT NOT NULL, UNIQUE (rater, position)
    )""",
    "CREATE TABLE IF NOT EXISTS showings (trial TEXT PRIMARY KEY REFERENCES trials (id), at DOUBLE PRECISION NOT NULL)",
    """CREATE TABLE IF NOT EXISTS ratings (
        trial TEXT PRIMARY KEY REFERENCES trials (id), answer TEXT NOT NULL, seconds DOUBLE PRECISION NOT NULL,
        at TEXT NOT NULL
    )""",
)
TRIAL = (
    "trials.id, trials.rater, trials.position, trials.kind, trials.question, trials.left_stimulus, "
    "trials.right_stimulus, trials.role, trials.repeats, trials.expected"
)


class Refused(GenwrightError):
    """Something a rater may not do now: answer out of turn, too early, or once more and otherwise."""


@dataclass(frozen=True)
class Invite:
    """A rater's place in the study and the secret that opens it."""

    slot: int
    token: str


@dataclass(frozen=True)
class Standing:
    """How far a rater is."""

    consented: bool
    done: int
    total: int


class Store:
    """A study's rows. Every method is one transaction; threads and processes may share a study.

    `where` is the path of a SQLite file or the URL of a PostgreSQL database, `study` the study's id there.
    """

    def __init__(self, where: str | Path, *, study: str) -> None:
        of_url = isinstance(where, str) and where.startswith(POSTGRES)
        self._database: Database = postgres(str(where), schema=f"genwright_{study}") if of_url else sqlite(Path(where))
        with self._database.transaction() as open_:
            for table in TABLES:
                open_.execute(table)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def begin(self, protocol: dict[str, Any], stimuli: Sequence[Stimulus]) -> None:
        """Write what a new study consists of; raises StorageError if there is one already."""
        with self._database.transaction() as open_:
            if open_.execute("SELECT 1 FROM facts WHERE name = 'protocol'"):
                raise StorageError("there is a study already", where=self._database.where, hint="give another --store")
            _insert(open_, "facts", [("withdrawn", "0")])
            _insert(open_, "stimuli", [(number, *astuple(each)) for number, each in enumerate(stimuli)])
            _insert(open_, "facts", [("protocol", json.dumps(protocol))])

    @property
    def protocol(self) -> dict[str, Any] | None:
        """The protocol kept with the answers; None before a study was begun."""
        with self._database.transaction() as open_:
            rows = open_.execute("SELECT value FROM facts WHERE name = 'protocol'")
        return self._read(rows[0][0], dict, "protocol") if rows else None

    def _read(self, told: Any, kind: Any, name: str) -> Any:
        """A fact as it was written, typed."""
        where = f"{self._database.where}, {name}"
        return typed(parse_json(typed(told, str, where=where).encode(), where=where), kind, where=where)

    def invite(self, slot: int, planned: Sequence[tuple[Planned, str, str]]) -> None:
        """Make place number `slot`, with its trials and the ids they show left and right, unless it is taken."""
        with self._database.transaction() as open_:
            if open_.execute("SELECT 1 FROM raters WHERE slot = ?", (slot,)):
                return
            rater = secrets.token_hex(8)
            _insert(open_, "raters", [(rater, slot, secrets.token_urlsafe(24), None)])
            ids = [secrets.token_hex(8) for _ in planned]
            rows = [
                (ids[i], rater, i, p.kind, p.question, left, right, p.role, _id(ids, p.repeats), p.expected)
                for i, (p, left, right) in enumerate(planned)
            ]
            _insert(open_, "trials", rows)

    def invites(self) -> tuple[Invite, ...]:
        """All places, in order."""
        with self._database.transaction() as open_:
            return tuple(Invite(*row) for row in open_.execute("SELECT slot, token FROM raters ORDER BY slot"))

    def rater(self, token: str) -> str | None:
        """Whose token this is; compared with every token there is, in a time that tells nothing of them."""
        found = None
        with self._database.transaction() as open_:
            for rater, own in open_.execute("SELECT id, token FROM raters"):
                if hmac.compare_digest(own.encode(), token.encode("utf-8", "replace")):
                    found = rater
        return found

    def consent(self, rater: str) -> None:
        """Note that the rater agreed; the first time counts."""
        with self._database.transaction() as open_:
            sql = "UPDATE raters SET consented_at = ? WHERE id = ? AND consented_at IS NULL"
            open_.execute(sql, (_now(), rater))

    def standing(self, rater: str) -> Standing:
        """How far the rater is."""
        with self._database.transaction() as open_:
            agreed = open_.execute("SELECT consented_at FROM raters WHERE id = ?", (rater,))
            counted = open_.execute(
                "SELECT COUNT(*), COUNT(ratings.trial) FROM trials LEFT JOIN ratings ON ratings.trial = trials.id "
                "WHERE trials.rater = ?",
                (rater,),
            )
        total, done = counted[0]
        return Standing(bool(agreed and agreed[0][0]), done, total)

    def current(self, rater: str) -> Trial | None:
        """The first trial without an answer; None at the end."""
        with self._database.transaction() as open_:
            return _current(open_, rater)

    def show(self, trial: str) -> None:
        """Note that the stimuli of `trial` are visible from now on; the first time counts."""
        with self._database.transaction() as open_:
            sql = "INSERT INTO showings (trial, at) VALUES (?, ?) ON CONFLICT (trial) DO NOTHING"
            open_.execute(sql, (trial, _clock()))

    def seen_for(self, trial: str) -> float | None:
        """Seconds since the stimuli of `trial` were first shown; None if they were not."""
        with self._database.transaction() as open_:
            rows = open_.execute("SELECT at FROM showings WHERE trial = ?", (trial,))
        return _clock() - rows[0][0] if rows else None

    def media(self) -> dict[str, str]:
        """The medium of each stimulus."""
        with self._database.transaction() as open_:
            return dict(open_.execute("SELECT id, medium FROM stimuli"))

    def rate(self, rater: str, trial: str, answer: str, *, seconds: float, minimum: float) -> None:
        """Keep the answer to the rater's current trial; it is on the disk when this returns.

        Giving the same answer again changes nothing. Raises Refused for another answer to a trial that has one, for a
        trial that is not theirs or not the current one, for an answer it cannot have, and for one less than `minimum`
        seconds after the stimuli were shown.
        """
        with self._database.transaction() as open_:
            kept = open_.execute(
                "SELECT ratings.answer FROM ratings JOIN trials ON trials.id = ratings.trial "
                "WHERE trials.id = ? AND trials.rater = ?",
                (trial, rater),
            )
            if kept:
                if kept[0][0] != answer:
                    raise Refused("this was answered before, and the first answer counts")
                return
            now = _current(open_, rater)
            if now is None or now.id != trial:
                raise Refused("this is not the question to answer now")
            if answer not in ANSWERS[now.kind]:
                raise Refused(f"the answers are {', '.join(ANSWERS[now.kind])}")
            shown = open_.execute("SELECT at FROM showings WHERE trial = ?", (trial,))
            elapsed = _clock() - shown[0][0] if shown else -1.0
            if elapsed < minimum:
                raise Refused("this was answered before it could be looked at")
            _insert(open_, "ratings", [(trial, answer, min(max(seconds, 0.0), elapsed), _now())])

    def undo(self, rater: str, trial: str) -> None:
        """Delete the answer to `trial`, so that it is asked again; Refused unless it is the rater's latest answer."""
        with self._database.transaction() as open_:
            latest = open_.execute(
                "SELECT trials.id FROM trials JOIN ratings ON ratings.trial = trials.id WHERE trials.rater = ? "
                "ORDER BY trials.position DESC LIMIT 1",
                (rater,),
            )
            if latest != [(trial,)]:
                raise Refused("only the latest answer can be undone")
            open_.execute("DELETE FROM ratings WHERE trial = ?", (trial,))

    def withdraw(self, rater: str) -> None:
        """Delete the rater with all trials and answers, and count one more who withdrew."""
        with self._database.transaction() as open_:
            theirs = "(SELECT id FROM trials WHERE rater = ?)"
            open_.execute(f"DELETE FROM ratings WHERE trial IN {theirs}", (rater,))
            open_.execute(f"DELETE FROM showings WHERE trial IN {theirs}", (rater,))
            open_.execute("DELETE FROM trials WHERE rater = ?", (rater,))
            if open_.execute("DELETE FROM raters WHERE id = ? RETURNING id", (rater,)):
                counted = "CAST(CAST(value AS INTEGER) + 1 AS TEXT)"
                open_.execute(f"UPDATE facts SET value = {counted} WHERE name = 'withdrawn'")
        self._database.erase()

    def study(self) -> Study:
        """Everything about those who agreed to take part, in a fixed order."""
        with self._database.transaction() as open_:
            facts: dict[str, str] = dict(open_.execute("SELECT name, value FROM facts"))
            stimuli = open_.execute("SELECT id, system, medium, sha256 FROM stimuli ORDER BY number")
            raters = open_.execute("SELECT id, consented_at FROM raters WHERE consented_at IS NOT NULL ORDER BY slot")
            trials = open_.execute(
                f"SELECT {TRIAL} FROM trials JOIN raters ON raters.id = trials.rater "
                "WHERE raters.consented_at IS NOT NULL ORDER BY raters.slot, trials.position"
            )
            ratings = open_.execute(
                "SELECT ratings.trial, ratings.answer, ratings.seconds, ratings.at FROM ratings "
                "JOIN trials ON trials.id = ratings.trial JOIN raters ON raters.id = trials.rater "
                "ORDER BY raters.slot, trials.position"
            )
        if "protocol" not in facts:
            raise StorageError("there is no study in it", where=self._database.where, hint="start one: genwright rate")
        where = self._database.where
        study = Study(
            protocol=self._read(facts["protocol"], dict, "protocol"),
            stimuli=tuple(_made(Stimulus, row, where) for row in stimuli),
            raters=tuple(_made(Rater, row, where) for row in raters),
            trials=tuple(_made(Trial, row, where) for row in trials),
            ratings=tuple(_made(Rating, row, where) for row in ratings),
            withdrawn=self._read(facts.get("withdrawn"), int, "withdrawn"),
        )
        return checked(study, where=where)


def _current(open_: Transaction, rater: str) -> Trial | None:
    rows = open_.execute(
        f"SELECT {TRIAL} FROM trials LEFT JOIN ratings ON ratings.trial = trials.id "
        "WHERE trials.rater = ? AND ratings.trial IS NULL ORDER BY trials.position LIMIT 1",
        (rater,),
    )
    return _made(Trial, rows[0], "trials") if rows else None


def _made(kind: type[Record], row: Sequence[Any], where: str) -> Record:
    """A record of a row, whose columns are its fields in their order."""
    return made(kind, dict(zip((field.name for field in fields(kind)), row, strict=True)), where=where)  # type: ignore[arg-type]


def _insert(open_: Transaction, table: str, rows: Iterable[Sequence[Any]]) -> None:
    for row in rows:
        open_.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def _id(ids: Sequence[str], position: int) -> str:
    return ids[position] if position >= 0 else ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _clock() -> float:
    return datetime.now(UTC).timestamp()
