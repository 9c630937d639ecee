"""Rules that hold in every row of a data set and are unlikely to do so by chance: for the user to confirm."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from genwright.codecs.schema import grid_scale
from genwright.constraints.grids import operands, scaled
from genwright.constraints.rules import FixedCombinations, Formula, OneHot, Order, Rule, Sum, is_off, is_on
from genwright.data.dataset import Category, Constant, Dataset, Field, Number, Time

CHANCE = 1e-6  # the probability, over all rules looked at, below which a rule that always holds is no accident
MIN_ROWS = 30
MAX_ROWS = 20_000  # looked at for candidates; what is suggested is checked on all rows
MAX_COLUMNS = 60  # numbers and times, beyond which the search for relations is left out
MAX_LEVELS = 1000  # of a category in fixed combinations
MAX_NUMBERS = 50  # of a whole number there
CODES = 9  # different numbers, up to which they look like codes rather than amounts that have an order
MAX_TERMS = 4  # of a linear formula
EXACT = 1e-7  # relative residual of a linear relation in float64
DECIMALS = 6  # of its coefficients, at most


def suggest(data: Dataset) -> tuple[Rule, ...]:
    """Orders, sums, linear formulas, one-hot groups and fixed combinations that hold in every row.

    Nothing is suggested for media, nor for fewer than 30 rows. The rules fit together: each can be confirmed or not.

    >>> draw = np.random.default_rng(0)
    >>> net, tax = draw.integers(1, 100, (2, 50)).astype(float)
    >>> fields = tuple(Number(name, decimals=0) for name in ("net", "tax", "gross"))
    >>> for rule in suggest(Dataset(fields, {"net": net, "tax": tax, "gross": net + tax})):
    ...     print(rule)
    Sum('gross', ['net', 'tax'])
    """
    if data.media is not None or len(data) < MIN_ROWS:
        return ()
    step = -(-len(data) // MAX_ROWS)
    some = data.take(np.random.default_rng(0).permutation(len(data))[:: max(1, step)])
    groups = _one_hot(some)
    taken = {name for group in groups for name in group.columns}
    rest = some.select([f.name for f in some.fields if f.name not in taken]) if len(taken) < len(some.fields) else None
    found: list[Rule] = [*groups]
    if rest is not None:
        sums = _linear(rest)
        found += [*sums, *_orders(rest, sums), *_combinations(rest, sums)]
    return tuple(rule for rule in found if rule.holds(data).all())


def _one_hot(data: Dataset) -> list[OneHot]:
    """Runs of neighbouring columns of zeros and ones, of which exactly one is 1 in every row."""
    found = []
    lit = {f.name: is_on(data.columns[f.name]) for f in data.fields if _is_binary(f, data.columns[f.name])}
    for adjacent, run in itertools.groupby(data.fields, key=lambda f: f.name in lit):
        names = [f.name for f in run] if adjacent else []
        while len(names) >= 2:
            counts = np.cumsum([lit[name] for name in names], axis=0)
            ends = np.flatnonzero((counts == 1).all(axis=1))
            group = names[: int(ends[0]) + 1] if len(ends) else []
            if len(group) >= 2:
                found.append(OneHot(group))
            names = names[max(1, len(group)) :]
    return found


def _is_binary(field: Field, column: np.ndarray) -> bool:
    """Whether a column holds zeros and ones, or truth values, and nothing else."""
    if isinstance(field, Constant | Number) or (isinstance(field, Category) and field.dtype in ("bool", "int")):
        return bool((is_on(column) ^ is_off(column)).all()) and (not isinstance(field, Constant) or field.value == "0")
    return False


def _linear(data: Dataset) -> list[Sum | Formula]:
    """Number columns that are exact linear functions of a few earlier ones; sums as such."""
    fields = [f for f in data.fields if isinstance(f, Number | Time)]
    table = operands(data, tuple(f.name for f in fields))
    names = [f.name for f in fields if np.isfinite(table[f.name]).mean() > 0.5 and np.nanstd(table[f.name]) > 0]
    if not 2 <= len(names) <= MAX_COLUMNS:
        return []
    values = np.stack([table[name] for name in names], axis=1)
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < max(MIN_ROWS, 2 * len(names)):
        return []
    basis, found = list[str](), list[Sum | Formula]()
    columns = dict(zip(names, values.T, strict=True))
    for name in names:
        rule = _relation(data, name, basis, columns)
        if rule is not None and rule.holds(data).all() and not _by_chance(data, rule):
            found.append(rule)
        else:
            basis.append(name)
    return found


def _relation(
    data: Dataset, name: str, basis: Sequence[str], columns: dict[str, Float[np.ndarray, " n"]]
) -> Sum | Formula | None:
    """How a column follows from those of a basis, by least squares; None where it does not exactly."""
    y, field = columns[name], data.field(name)
    if not basis:
        return None
    means, scales = ([f(columns[b]) for b in basis] for f in (np.mean, np.std))
    x = np.stack([(columns[b] - m) / s for b, m, s in zip(basis, means, scales, strict=True)], axis=1)
    weights, *_ = np.linalg.lstsq(x, y - y.mean(), rcond=None)
    scale = grid_scale(field) if isinstance(field, Number) else None
    slack = EXACT * np.abs(y).max() + (0.0 if scale is None else 0.5 / scale)
    if np.abs(x @ weights - (y - y.mean())).max() > 2 * slack:
        return None
    for decimals in range(DECIMALS + 1):  # the roundest coefficients that fit: rounding blurs those of least squares
        terms = {b: round(w / s, decimals) + 0.0 for b, w, s in zip(basis, weights, scales, strict=True)}
        rest = y - sum(w * columns[b] for b, w in terms.items())
        constant = round(float(rest.min() + rest.max()) / 2, decimals) + 0.0
        if np.abs(rest - constant).max() <= slack:
            return _written(data, name, {b: w for b, w in terms.items() if w}, constant)
    return None


def _written(data: Dataset, name: str, terms: dict[str, float], constant: float) -> Sum | Formula | None:
    """A linear relation as a Sum, if it is one, else as a Formula of few terms."""
    signs = {name: -1.0} | terms
    numbers = all(isinstance(data.field(n), Number) for n in signs)
    if numbers and constant == 0 and len(signs) >= 3 and set(signs.values()) == {1.0, -1.0}:
        for sign in (-1.0, 1.0):
            alone = [n for n, s in signs.items() if s == sign]
            if len(alone) == 1:
                return Sum(alone[0], [f.name for f in data.fields if f.name in signs and f.name != alone[0]])
    if not isinstance(data.field(name), Number) or not 1 <= len(terms) <= MAX_TERMS:
        return None
    text = " + ".join(f"{_quoted(n)}" if w == 1 else f"{w:.12g} * {_quoted(n)}" for n, w in terms.items())
    if constant:
        text += f" + {constant:.12g}"
    return Formula(name, text.replace("+ -", "- ").replace("-1 * ", "-"))


def _quoted(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else f"`{name}`"


def _by_chance(data: Dataset, rule: Sum | Formula) -> bool:
    """Whether a column so coarse that any formula fits it: fewer than a handful of its steps are ever taken."""
    return len(np.unique(data.columns[rule.names[0]])) <= 2


def _orders(data: Dataset, known: Sequence[Rule]) -> list[Order]:
    """Chains of numbers, or of times, that never fall, though they would in many rows if they were independent."""
    pairs: set[tuple[str, str]] = set()
    for kind in (Number, Time):
        fields = [f for f in data.fields if isinstance(f, kind)]
        values = {f.name: scaled(f, data.columns[f.name]) for f in fields}
        values = {name: v for name, v in values.items() if len(np.unique(v)) > CODES}
        tries = max(1, len(fields) * (len(fields) - 1))
        pairs |= {(a, b) for a, b in itertools.permutations(values, 2) if _below(values[a], values[b], CHANCE / tries)}
    for rule in known:  # what is computed from others, as a total of its parts, is above or below them anyway
        pairs -= {pair for name in rule.names[1:] for pair in ((rule.names[0], name), (name, rule.names[0]))}
    direct = {(a, c) for a, c in pairs if not any((a, b) in pairs and (b, c) in pairs for b in {p[1] for p in pairs})}
    return [Order(chain) for chain in _chains(direct)]


def _below(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"], probability: float) -> bool:
    """Whether a <= b in every row, and would be by chance with less than this probability were they independent."""
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    if len(a) < MIN_ROWS or (a > b).any() or (a == b).all():
        return False
    share = np.searchsorted(np.sort(a), b, side="right").mean() / len(a)  # P(a <= b) of independent draws
    return bool(len(a) * np.log(max(share, 1e-300)) < np.log(probability))


def _chains(pairs: set[tuple[str, str]]) -> list[list[str]]:
    """Pairs joined end to end, each used once."""
    left, found = sorted(pairs), []
    while left:
        starts = [p for p in left if not any(b == p[0] for _, b in left)]
        chain = list((starts or left)[0])
        left.remove((chain[0], chain[1]))
        while following := [p for p in left if p[0] == chain[-1] and p[1] not in chain]:
            left.remove(following[0])
            chain.append(following[0][1])
        found.append(chain)
    return found


def _combinations(data: Dataset, known: Sequence[Rule]) -> list[FixedCombinations]:
    """Groups of categories of which far fewer combinations come than if they were independent."""
    computed = {rule.names[0] for rule in known}
    codes = {}
    for field in data.fields:
        whole = isinstance(field, Number) and field.decimals == 0
        if (whole or isinstance(field, Category)) and field.name not in computed:
            code, levels = pd.factorize(data.columns[field.name])
            if 3 <= len(levels) <= (MAX_NUMBERS if whole else MAX_LEVELS):
                codes[field.name] = np.where(code < 0, len(levels), code)
    groups: list[set[str]] = []
    for a, b in itertools.combinations(codes, 2):
        if _tied(codes[a], codes[b]):
            touching = [g for g in groups if g & {a, b}]
            groups = [g for g in groups if g not in touching] + [set().union({a, b}, *touching)]
    return [FixedCombinations([f.name for f in data.fields if f.name in group]) for group in groups]


def _tied(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether at most half of the combinations come that independent columns would show, and not by chance."""
    n = len(a)
    shares = np.outer(np.bincount(a), np.bincount(b)) / n**2
    seen = np.zeros(shares.shape, dtype=bool)
    seen[a, b] = True
    expected = (1 - np.exp(-n * shares)).sum()
    return bool(seen.sum() <= expected / 2 and n * shares[~seen].sum() >= -np.log(CHANCE))
