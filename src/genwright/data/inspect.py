"""inspect: what a Dataset holds and what to look out for, before any model is fitted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from genwright.data.cells import cells
from genwright.data.dataset import ARRAYS, MEDIA, Constant, Dataset, Field, Identifier, Number, Time
from genwright.data.forecast import fit_memory, fit_seconds, obstacles
from genwright.data.media import KINDS
from genwright.data.personal import Finding, personal_data, suspicious_values
from genwright.data.split import row_keys

SHOWN = 5  # most frequent values per field
MANY_MISSING = 0.5
FEW_ROWS = 200
RARE_LABEL = 10
IMBALANCED = 10  # times as many rows of one class as of another are worth a word


@dataclass(frozen=True)
class FieldSummary:
    """One field: its kind, the share of rows without a value, and its values.

    `distinct` counts different values; `low` and `high` bound numbers, times, text lengths and image sizes;
    `frequent` holds the commonest values with their shares.
    """

    name: str
    kind: str
    missing: float
    distinct: int
    low: str = ""
    high: str = ""
    frequent: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found. `duplicates` counts rows that repeat an earlier one (identifiers aside); `memory_bytes` is
    about what a fit will need at its peak, `seconds` how long one takes that is not cut short.

    `personal` and `suspicious` are guesses to confirm: fields that seem to hold personal data, values that may mean
    "missing". `leaks` says of each further file how many of its rows stand in this data too.
    """

    name: str
    rows: int
    fields: tuple[FieldSummary, ...]
    label: str | None
    label_shares: tuple[tuple[str, float], ...]
    duplicates: int
    split: tuple[int, int, int]
    identifiers: tuple[str, ...]
    memory_bytes: int
    seconds: float
    personal: tuple[Finding, ...]
    suspicious: tuple[Finding, ...]
    leaks: tuple[tuple[str, int, int], ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain dicts, lists, strings and numbers."""
        plain = asdict(self)
        plain["split"] = dict(zip(("train", "valid", "test"), self.split, strict=True))
        plain["label_shares"] = dict(self.label_shares)
        plain["leaks"] = [dict(zip(("name", "rows", "also_here"), leak, strict=True)) for leak in self.leaks]
        for field in plain["fields"]:
            field["frequent"] = dict(field["frequent"])
        return plain

    def __str__(self) -> str:
        head = (
            f"{self.name}: {self.rows:,} rows; train {self.split[0]:,}, valid {self.split[1]:,}, test {self.split[2]:,}"
        )
        width = max(len(f.name) for f in self.fields)
        lines = [
            f"  {f.name:<{width}}  {f.kind:<10}  {f.distinct:>7,} distinct  {f.missing:6.1%} missing  {_values(f)}"
            for f in self.fields
        ]
        tail = [f"  label {self.label}: {_shares(self.label_shares)}"] if self.label_shares else []
        tail += [f"  {self.duplicates:,} rows repeat another"]
        tail += [f"  {shared:,} of the {rows:,} rows of {name} are here too" for name, rows, shared in self.leaks]
        tail += [
            f"  a fit needs about {self.memory_bytes / 2**20:,.0f} MiB, and {self.seconds / 60:.1f} minutes at most"
        ]
        if self.personal:
            tail += ["  personal data? please confirm:", *map(_told, self.personal)]
        if self.suspicious:
            tail += ["  no values? please confirm:", *map(_told, self.suspicious)]
        return "\n".join([head, *lines, *tail, *(f"  note: {note}" for note in self.notes)])


def _told(finding: Finding) -> str:
    return f"    {finding.field}: {finding.what}, such as {finding.example}: {finding.treatment}"


def inspect(data: Dataset, *, others: Mapping[str, Dataset] | None = None) -> Inspection:
    """Summaries of all fields, duplicates, label balance, split sizes, likely identifiers and personal data, values
    that may mean "missing", and what a fit will need.

    `others`: further data with the same fields by name, such as a test set; rows that are in both are counted.

    >>> from genwright.data.read import read
    >>> inspect(read("wine")).split
    (142, 18, 18)
    """
    identifiers = tuple(f.name for f in data.fields if isinstance(f, Identifier))
    content = {f.name: data.columns[f.name] for f in data.fields if f.name not in identifiers}
    duplicates = len(data) - len(np.unique(row_keys(content))) if content else 0
    fields = tuple(_summary(f, data.columns[f.name]) for f in data.fields)
    shares = _label_shares(data)
    split = (len(data.split.train), len(data.split.valid), len(data.split.test))
    leaks = tuple((name, len(other), _shared_rows(data, other)) for name, other in (others or {}).items())
    notes = data.notes + tuple(_warnings(data, fields, shares, duplicates))
    return Inspection(
        name=data.name,
        rows=len(data),
        fields=fields,
        label=data.label,
        label_shares=shares,
        duplicates=duplicates,
        split=split,
        identifiers=identifiers,
        memory_bytes=fit_memory(data),
        seconds=fit_seconds(data),
        personal=personal_data(data),
        suspicious=suspicious_values(data),
        leaks=leaks,
        notes=notes,
    )


def _shared_rows(data: Dataset, other: Dataset) -> int:
    """Rows of `other` whose content, identifiers aside, a row of `data` has as well."""
    names = [f.name for f in data.fields if not isinstance(f, Identifier) and f.name in other.columns]
    keys = [row_keys({name: each.columns[name] for name in names}) for each in (data, other)] if names else []
    return int(np.isin(keys[1], keys[0]).sum()) if keys else 0


def _summary(field: Field, column: np.ndarray) -> FieldSummary:
    kind = type(field).__name__.lower()
    if isinstance(field, ARRAYS):
        distinct = len(np.unique(row_keys({field.name: column})))
        return FieldSummary(field.name, kind, 0.0, distinct, *KINDS[type(field)].ends(field, column))
    codes, values = pd.factorize(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    missing = float((codes < 0).mean())
    if isinstance(field, (Identifier, *MEDIA)):
        ends = ("", "") if isinstance(field, Identifier) else KINDS[type(field)].ends(field, column)
        return FieldSummary(field.name, kind, missing, len(values), *ends)
    order = np.argsort(-counts, kind="stable")[:SHOWN]
    texts = cells(field, np.asarray(values)[order])
    frequent = tuple((str(t), float(counts[i] / len(column))) for t, i in zip(texts, order, strict=True))
    low, high = _range(field, column)
    return FieldSummary(field.name, kind, missing, len(values), low, high, frequent)


def _range(field: Field, column: np.ndarray) -> tuple[str, str]:
    if not isinstance(field, Number | Time):
        return "", ""
    present = column[~(np.isnan(column) if isinstance(field, Number) else np.isnat(column))]
    ends = cells(field, np.array([present.min(), present.max()])) if len(present) else ["", ""]
    return str(ends[0]), str(ends[1])


def _label_shares(data: Dataset) -> tuple[tuple[str, float], ...]:
    """Share of each class, the commonest first; empty for a label that is not a category."""
    if data.label is None or isinstance(data.field(data.label), Number | Time):
        return ()
    values, counts = np.unique([str(v) for v in data.columns[data.label]], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return tuple((str(values[i]), float(counts[i] / len(data))) for i in order)


def _warnings(
    data: Dataset, fields: tuple[FieldSummary, ...], shares: tuple[tuple[str, float], ...], duplicates: int
) -> list[str]:
    found = obstacles(data)
    if not found and len(data) < FEW_ROWS:
        found.append(f"only {len(data)} rows: scores will be uncertain, and copying hard to avoid")
    if duplicates > len(data) // 10:
        found.append(f"{duplicates / len(data):.0%} of rows repeat another; repeats stay in one part of the split")
    found += [f"{f.name!r} is missing in {f.missing:.0%} of rows" for f in fields if MANY_MISSING < f.missing < 1]
    found += [f"{f.name!r} has one value throughout" for f in data.fields if isinstance(f, Constant)]
    if shares and shares[0][1] > IMBALANCED * shares[-1][1]:
        common, least = shares[0], shares[-1]
        ratio = common[1] / least[1]
        found.append(
            f"{common[0]!r} comes {ratio:.0f} times as often as {least[0]!r}; sample with given= to balance them"
        )
    rare = [name for name, share in shares if share * len(data) < RARE_LABEL]
    if rare:
        found.append(f"{len(rare)} classes of {data.label!r} have fewer than {RARE_LABEL} rows, such as {rare[0]!r}")
    return found


def _values(summary: FieldSummary) -> str:
    if summary.low:
        return f"{summary.low} .. {summary.high}"
    return _shares(summary.frequent)


def _shares(shares: tuple[tuple[str, float], ...]) -> str:
    shown = ", ".join(f"{name[:30]} {share:.0%}" for name, share in shares[:SHOWN])
    return shown + (", ..." if len(shares) > SHOWN else "")
