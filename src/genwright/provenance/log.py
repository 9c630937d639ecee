"""A log that can only grow: what was signed, in the order in which it was, as a Merkle tree whose heads are signed.

RFC 6962, section 2.1: a leaf is SHA-256(0, data), a node SHA-256(1, left, right), and a tree of n leaves is split at
the largest power of two below n. Hashes of whole subtrees are kept in SQLite, so that proofs need few of them.
"""

import base64
import datetime
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genwright.errors import ArgumentError, StorageError
from genwright.folders import writing
from genwright.provenance.checker import HEAD, leaf_hash, node_hash
from genwright.provenance.keys import Keys

EMPTY = hashlib.sha256(b"").digest()
NAME = "log.sqlite"  # in the folder of keys
SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (at INTEGER PRIMARY KEY, file TEXT NOT NULL, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS files ON entries (file);
CREATE TABLE IF NOT EXISTS nodes (level INTEGER, at INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, at)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Log:
    """The log in a file of SQLite.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = Log(Path(folder) / "log.sqlite")
    ...     log.append([log.entry(b"one"), log.entry(b"two")])
    ...     log.size, len(log.inclusion(1, 2)), log.check()
    (2, 1, 2)
    """

    path: Path

    @staticmethod
    def entry(content: bytes) -> bytes:
        """What is written down of a file: its SHA-256 and nothing else."""
        return json.dumps({"file": hashlib.sha256(content).hexdigest()}, separators=(",", ":")).encode()

    def append(self, entries: Iterable[bytes]) -> None:
        """Add entries, all or none."""
        with self._opened(write=True) as db:
            start = self._size(db)
            rows, level = list(entries), 0
            files = (_file_of(data) for data in rows)
            db.executemany(
                "INSERT INTO entries VALUES (?, ?, ?)",
                ((start + i, file, data) for i, (file, data) in enumerate(zip(files, rows, strict=True))),
            )
            hashes = list(map(leaf_hash, rows))
            while hashes:  # whole subtrees of this level that are new, the first of them at `start`
                db.executemany(
                    "INSERT INTO nodes VALUES (?, ?, ?)", ((level, start + i, each) for i, each in enumerate(hashes))
                )
                if start % 2:
                    hashes.insert(0, self._node(db, level, start - 1))
                hashes = [node_hash(a, b) for a, b in zip(hashes[::2], hashes[1::2], strict=False)]
                start, level = start // 2, level + 1

    @property
    def size(self) -> int:
        """How many entries it has."""
        with self._opened() as db:
            return self._size(db)

    def root(self, size: int | None = None) -> bytes:
        """The hash of the tree of the first `size` entries, by default all."""
        with self._opened() as db:
            return self._tree(db, 0, self._within(db, size))

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The path from an entry to the root: PATH(m, D[n])."""
        with self._opened() as db:
            n = self._within(db, size)
            if not 0 <= index < n:
                raise ArgumentError(f"there is no entry {index:,} of {n:,}", where="index")
            return list(self._path(db, index, 0, n))

    def consistency(self, first: int, size: int | None = None) -> list[bytes]:
        """What shows that the log goes on from its first `first` entries: PROOF(m, D[n])."""
        with self._opened() as db:
            n = self._within(db, size)
            if not 0 < first <= n:
                raise ArgumentError(f"the log has {n:,} entries, not {first:,}", where="first")
            return list(self._subproof(db, first, 0, n, True)) if first < n else []

    def find(self, sha256: str) -> int | None:
        """Where a file was first written down."""
        with self._opened() as db:
            return self._first(db, "SELECT min(at) FROM entries WHERE file = ?", sha256)

    def check(self) -> int:
        """How many entries it has, after all hashes were computed anew; StorageError where one is not as kept."""
        with self._opened() as db:
            hashes, level = list[bytes](), 0
            for at, (place, file, data) in enumerate(db.execute("SELECT at, file, data FROM entries ORDER BY at")):
                if place != at or not isinstance(data, bytes) or file != _file_of(data):
                    raise self._broken(f"entry {at:,} is missing or was changed")
                hashes.append(leaf_hash(data))
            size = len(hashes)
            while hashes or level == 0:
                kept = [row[0] for row in db.execute("SELECT hash FROM nodes WHERE level = ? ORDER BY at", (level,))]
                if kept != hashes:
                    raise self._broken("an entry was changed, added or taken out")
                hashes = [node_hash(a, b) for a, b in zip(hashes[::2], hashes[1::2], strict=False)]
                level += 1
            if self._first(db, "SELECT count(*) FROM nodes WHERE level >= ?", level):
                raise self._broken("entries were taken out at its end")
            return size

    @contextmanager
    def _opened(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        if not write and not self.path.is_file():
            raise StorageError("there is no log", where=str(self.path), hint="genwright log append FILE begins one")
        try:
            if write:
                with writing(self.path):
                    self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                if write:
                    for statement in filter(str.strip, SCHEMA.split(";")):
                        db.execute(statement)
                yield db
                db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageError(f"not a log of genwright ({error})", where=str(self.path)) from None

    def _size(self, db: sqlite3.Connection) -> int:
        return self._first(db, "SELECT max(at) + 1 FROM nodes WHERE level = 0") or 0

    def _within(self, db: sqlite3.Connection, size: int | None) -> int:
        n = self._size(db)
        if size is not None and not 0 <= size <= n:
            raise ArgumentError(f"the log has {n:,} entries, not {size:,}", where="size")
        return n if size is None else size

    def _first(self, db: sqlite3.Connection, query: str, *values: Any) -> int | None:
        found = db.execute(query, values).fetchone()
        return int(found[0]) if found is not None and found[0] is not None else None

    def _node(self, db: sqlite3.Connection, level: int, at: int) -> bytes:
        found = db.execute("SELECT hash FROM nodes WHERE level = ? AND at = ?", (level, at)).fetchone()
        if found is None or not isinstance(found[0], bytes):
            raise self._broken("a hash is missing")
        return found[0]

    def _broken(self, what: str) -> StorageError:
        hint = "compare it with heads kept elsewhere"
        return StorageError(f"the log is broken: {what}", where=str(self.path), hint=hint)

    def _tree(self, db: sqlite3.Connection, start: int, stop: int) -> bytes:
        """MTH of the entries from `start`, which begins a subtree, to `stop`."""
        n = stop - start
        if n == 0:
            return EMPTY
        if n & (n - 1) == 0:
            level = n.bit_length() - 1
            return self._node(db, level, start >> level)
        half = 1 << ((n - 1).bit_length() - 1)
        return node_hash(self._tree(db, start, start + half), self._tree(db, start + half, stop))

    def _path(self, db: sqlite3.Connection, index: int, start: int, stop: int) -> Iterator[bytes]:
        n = stop - start
        if n == 1:
            return
        middle = start + (1 << ((n - 1).bit_length() - 1))
        if index < middle:
            yield from self._path(db, index, start, middle)
            yield self._tree(db, middle, stop)
        else:
            yield from self._path(db, index, middle, stop)
            yield self._tree(db, start, middle)

    def _subproof(self, db: sqlite3.Connection, first: int, start: int, stop: int, known: bool) -> Iterator[bytes]:
        n = stop - start
        if first == n:
            if not known:
                yield self._tree(db, start, stop)
            return
        half = 1 << ((n - 1).bit_length() - 1)
        if first <= half:
            yield from self._subproof(db, first, start, start + half, known)
            yield self._tree(db, start + half, stop)
        else:
            yield from self._subproof(db, first - half, start + half, stop, False)
            yield self._tree(db, start, start + half)


def signed_head(log: Log, keys: Keys, size: int | None = None) -> dict[str, Any]:
    """Size, root and time of the log, signed."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    size = log.size if size is None else size
    now = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    head = {"size": size, "root": log.root(size).hex(), "time": now}
    key: Any = load_pem_private_key(keys.private["ed25519"], None)
    signature = base64.b64encode(key.sign(HEAD.format(**head).encode())).decode()
    return head | {"signature": signature, "cert": keys.certificates["ed25519"].decode()}


def inclusion_proof(log: Log, sha256: str, keys: Keys) -> dict[str, Any]:
    """That a file is in the log, as JSON for the checker; ArgumentError where it is not."""
    index = log.find(sha256)
    if index is None:
        hint = "add it: genwright log append FILE"
        raise ArgumentError("the file is not in the log", where=str(log.path), hint=hint)
    head = signed_head(log, keys)
    with log._opened() as db:
        data = db.execute("SELECT data FROM entries WHERE at = ?", (index,)).fetchone()[0]
    path = [each.hex() for each in log.inclusion(index, head["size"])]
    return {"schema": 1, "entry": base64.b64encode(data).decode(), "index": index, "path": path, "head": head}


def consistency_proof(log: Log, older: dict[str, Any], keys: Keys) -> dict[str, Any]:
    """That the log goes on from an older head, as JSON for the checker."""
    head = signed_head(log, keys)
    path = [each.hex() for each in log.consistency(int(older["size"]), head["size"])]
    return {"schema": 1, "older": older, "path": path, "head": head}


def _file_of(data: bytes) -> str:
    return str(json.loads(data)["file"])
