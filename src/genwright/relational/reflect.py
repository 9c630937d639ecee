"""What a database server declares of its tables: keys, what must differ, and what it computes by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote_plus

from genwright.data.read import Source
from genwright.data.sql import Address, connected, named
from genwright.errors import DataError
from genwright.relational.database import ForeignKey, Keys, Unique

HINT = "say with keys= which single columns are keys"


@dataclass(frozen=True)
class Found:
    """A database before it is read: its tables, what is declared of their keys (None: no foreign ones, but those in
    `own`), columns that the database computes, notes, and what only keys of the user's own can remedy.
    """

    name: str
    sources: Mapping[str, Source]
    declared: Keys | None = None
    own: Keys = field(default_factory=lambda: Keys({}))
    computed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    trouble: DataError | None = None


@dataclass(frozen=True)
class Catalogue:
    """What a database says of its tables: their columns, those that it computes, and those that are not read; columns
    of primary keys and sets that must differ; foreign keys.
    """

    columns: Mapping[str, list[str]]
    computed: Mapping[str, tuple[str, ...]]
    unread: Mapping[str, set[str]]
    primary: Mapping[str, list[str]]
    unique: Mapping[str, list[list[str]]]
    links: list[tuple[str, Mapping[str, Any]]]

    @classmethod
    def of(cls, address: Address) -> Self:
        """Of all tables; views are left out."""
        import sqlalchemy as sa

        with connected(address) as connection:
            inspector = sa.inspect(connection)
            names = sorted(inspector.get_table_names())
            described = {name: inspector.get_columns(name) for name in names}
            primary = {name: inspector.get_pk_constraint(name)["constrained_columns"] for name in names}
            unique = {name: _unique_columns(inspector, name) for name in names}
            links = [(name, f) for name in names for f in inspector.get_foreign_keys(name)]
        columns = {name: [c["name"] for c in each] for name, each in described.items()}
        computed = {name: tuple(c["name"] for c in each if c.get("computed")) for name, each in described.items()}
        binary = {
            t: {c["name"] for c in each if isinstance(c["type"], sa.LargeBinary)} for t, each in described.items()
        }
        return cls(columns, computed, {t: binary[t] | set(computed[t]) for t in names}, primary, unique, links)


def reflected(source: str) -> Found:
    """The tables of a database, and what it declares of them."""
    address = Address.of(source)
    seen = Catalogue.of(address)
    names, columns, unread, unique = list(seen.columns), seen.columns, seen.unread, seen.unique
    notes = [f"{t}.{c}: left out, since the database computes it" for t, each in seen.computed.items() for c in each]
    keys = {name: key[0] for name, key in seen.primary.items() if len(key) == 1 and key[0] not in unread[name]}
    foreign: list[ForeignKey] = []
    trouble: DataError | None = None
    for name, link in seen.links:
        parent = named(link["referred_table"], names)
        if parent is None:
            notes.append(f"{name}: refers to {link['referred_table']!r}, which is not there; taken for plain columns")
            continue
        try:
            each, referred = _foreign(name, parent, link, columns, keys.get(parent), address)
        except DataError as error:
            trouble = error
            continue
        if each.column in unread[name] or referred in unread[parent]:
            what = f"{name}.{each.column} refers to {parent}.{referred}, which is binary or computed, and so left out"
            trouble = DataError(what, where=address.shown, hint=HINT)
            continue
        if keys.setdefault(parent, referred) != referred:
            only = not any(f.parent == parent for f in foreign)
            if not only:
                what = f"{name}.{each.column} refers to {parent}.{referred}, other keys to {parent}.{keys[parent]}"
                trouble = DataError(what, where=address.shown, hint=HINT)
                continue
            unique[parent].append([keys[parent]])
            keys[parent] = referred
        foreign.append(each)
    several = [
        Unique(t, tuple(key), primary=True)
        for t, key in seen.primary.items()
        if len(key) > 1 and not set(key) & unread[t]
    ]
    sets = dict.fromkeys(Unique(t, tuple(each)) for t, found in unique.items() for each in found)
    several += [u for u in sets if u.columns != (keys.get(u.table),) and not set(u.columns) & unread[u.table]]
    foreign.sort(key=lambda f: (f.table, columns[f.table].index(f.column)))
    found = Keys(keys, tuple(dict.fromkeys(foreign)), tuple(several))
    plain = address.url.render_as_string(hide_password=False)
    sources: dict[str, Source] = {t: f"{plain}{'&' if '?' in plain else '?'}table={quote_plus(t)}" for t in names}
    name = Path(address.url.database or "database").stem
    return Found(name, sources, found if foreign else None, found, seen.computed, tuple(notes), trouble)


def _unique_columns(inspector: Any, table: str) -> list[list[str]]:
    """Sets of columns that must differ: constraints, and indexes of all rows."""
    found = [c["column_names"] for c in inspector.get_unique_constraints(table)]
    for index in inspector.get_indexes(table):
        partly = any(key.endswith("_where") and value is not None for key, value in index["dialect_options"].items())
        if index["unique"] and not partly and None not in index["column_names"]:
            found.append(index["column_names"])
    return found


def _foreign(
    table: str,
    parent: str,
    link: Mapping[str, Any],
    columns: Mapping[str, Sequence[str]],
    key: str | None,
    address: Address,
) -> tuple[ForeignKey, str]:
    """A foreign key, and the column of the parent that it refers to; names as the tables have them."""
    if len(link["constrained_columns"]) != 1:
        told = ", ".join(link["constrained_columns"])
        raise DataError(f"{table} has a foreign key of several columns ({told})", where=address.shown, hint=HINT)
    column = named(link["constrained_columns"][0], columns[table])
    referred = named(next(iter(link["referred_columns"]), key or ""), columns[parent])
    if column is None or referred is None:
        what = f"{table} has a foreign key to columns of {parent} that are not there"
        raise DataError(what, where=address.shown, hint=HINT)
    return ForeignKey(table, column, parent), referred
