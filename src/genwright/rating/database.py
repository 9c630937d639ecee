"""SQLite and PostgreSQL behind one interface: a statement or a transaction at a time, durable once it returns."""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from genwright.errors import MissingDependencyError, StorageError

Row = tuple[Any, ...]
TRUNCATE = "PRAGMA wal_checkpoint(TRUNCATE)"  # SQLite's log holds what was deleted until it is cut
BUSY_SECONDS = 30.0  # to wait for another process that writes
POSTGRES = ("postgresql://", "postgres://")


class Transaction:
    """A transaction under way."""

    def __init__(self, connection: Any, mark: str) -> None:
        self._connection, self._mark = connection, mark

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement with `?` for values; its rows, if it has any."""
        cursor = self._connection.execute(sql.replace("?", self._mark), tuple(values))
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []


class Database:
    """One connection, used by one thread at a time; made anew if the server of the database dropped it."""

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        mark: str,
        failures: tuple[type[Exception], ...],
        where: str,
        beginning: str = "BEGIN",
        erasing: str = "SELECT 1",
    ) -> None:
        self._connect, self._mark, self._failures, self.where = connect, mark, failures, where
        self._beginning, self._erasing = beginning, erasing
        self._lock = threading.Lock()
        self._connection: Any = None
        with self._lock, self._told():
            self._connection = connect()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All of the statements inside, or none of them; on the disk when the block ends without an error."""
        with self._lock, self._told():
            if self._connection is None:
                self._connection = self._connect()
            try:
                self._connection.execute(self._beginning)
                yield Transaction(self._connection, self._mark)
                self._connection.execute("COMMIT")
            except self._failures:
                self._drop()
                raise
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def erase(self) -> None:
        """Have what was deleted vanish from the files as well, as far as the database knows how to."""
        with self._lock, self._told():
            if self._connection is not None:
                self._connection.execute(self._erasing).fetchall()

    def _drop(self) -> None:
        """Close a connection in an unknown state, which undoes what it had not committed; the next use opens anew."""
        connection, self._connection = self._connection, None
        with suppress(*self._failures):
            connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            what = " ".join(str(error).split()) or type(error).__name__
            raise StorageError(f"the database failed: {what}", where=self.where, hint="nothing was saved") from None

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._drop()


def sqlite(path: Path) -> Database:
    """A SQLite file in WAL mode that is flushed to disk at every commit (synchronous=FULL).

    It holds raters' tokens, so no other user of the machine may read it, nor the files that SQLite puts beside it.
    """

    def connect() -> sqlite3.Connection:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")  # what a rater withdraws does not linger in free pages
        return connection

    return Database(
        connect,
        mark="?",
        failures=(sqlite3.Error, OSError),
        where=str(path),
        beginning="BEGIN IMMEDIATE",  # waits for other processes now, rather than fail in the middle
        erasing=TRUNCATE,
    )


def postgres(url: str, *, schema: str) -> Database:
    """A schema of its own in a PostgreSQL database; needs psycopg 3."""
    assert re.fullmatch(r"[a-z0-9_]+", schema)
    try:
        import psycopg
    except ImportError:
        raise MissingDependencyError(
            "PostgreSQL needs psycopg, which is not installed", hint="pip install 'genwright[postgres]'"
        ) from None

    def connect() -> Any:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10)
        connection.execute("SET synchronous_commit TO on")
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
        connection.execute(f"SET search_path TO {schema}".encode())
        return connection

    shown = re.sub(r"//[^@/]*@", "//", url)  # without the password
    return Database(connect, mark="%s", failures=(psycopg.Error, OSError), where=shown.split("?")[0])
