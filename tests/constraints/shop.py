"""A simulated table in which every kind of rule holds, and the rules."""

import numpy as np

from genwright.constraints import FixedCombinations, Formula, OneHot, Order, Pattern, Range, Rule, Sum, Unique
from genwright.data.dataset import Category, Dataset, Identifier, Number, Time
from tests.codecs.rows import objects, table

CITIES = (("Lyon", "FR"), ("Paris", "FR"), ("Bonn", "DE"), ("Mainz", "DE"), ("Graz", "AT"))


def shop(n: int = 400, seed: int = 0) -> Dataset:
    """Orders of a shop."""
    draw = np.random.default_rng(seed)
    city = draw.choice(len(CITIES), size=n, p=[0.3, 0.3, 0.2, 0.15, 0.05])
    ordered = np.datetime64("2024-01-01") + draw.integers(0, 300, n).astype("timedelta64[D]")
    sent = ordered + draw.integers(0, 6, n).astype("timedelta64[D]")
    arrived = (sent + draw.integers(1, 9, n).astype("timedelta64[D]")).astype("datetime64[us]")
    arrived[draw.random(n) < 0.1] = np.datetime64("NaT")
    net = np.round(draw.lognormal(3, 0.7, n), 2)
    tax = np.round(net * 0.2 * draw.random(n), 2)
    units = draw.integers(1, 9, n).astype(np.float64)
    price = np.round(draw.lognormal(1, 0.4, n), 2)
    size = draw.integers(0, 3, n)
    return table(
        (Identifier("order", "A-{}", 4, 400), [f"A-{i:04d}" for i in draw.permutation(n)]),
        (Category("city", tuple(c for c, _ in CITIES)), [CITIES[k][0] for k in city]),
        (Category("country", ("AT", "DE", "FR")), [CITIES[k][1] for k in city]),
        (Time("ordered", low="2024-01-01", high="2024-10-26"), ordered.astype("datetime64[us]")),
        (Time("sent", low="2024-01-01", high="2024-10-31"), sent.astype("datetime64[us]")),
        (Time("arrived", low="2024-01-02", high="2024-11-08"), arrived),
        (Number("net", 2, net.min(), net.max()), net),
        (Number("tax", 2, 0, tax.max()), tax),
        (Number("gross", 2), np.round(net + tax, 2)),
        (Number("units", 0, 1, 8), units),
        (Number("price", 2, price.min(), price.max()), price),
        (Number("value", 1), np.round(units * price, 1)),
        *((Number(f"is {s}", 0, 0, 1), (size == k).astype(np.float64)) for k, s in enumerate(("S", "M", "L"))),
        (Number("slot", 0, 0, 9 * n), draw.permutation(9 * n)[:n].astype(np.float64)),
    )


def rules() -> list[Rule]:
    """One of each kind, and more."""
    return [
        Pattern("order", r"[A-Z]-\d{4}"),
        FixedCombinations(["city", "country"]),
        Order(["ordered", "sent"]),
        Order(["sent", "arrived"], strict=True),
        Range("ordered", low="2024-01-01"),
        Sum("gross", ["net", "tax"]),
        Range("gross", high=150),
        Formula("value", "round(units * price, 1)"),
        OneHot(["is S", "is M", "is L"]),
        Unique(["slot"]),
    ]


def kept(n: int = 400, seed: int = 0) -> Dataset:
    """The rows that keep all of them."""
    data = shop(n, seed)
    return data.take(data.columns["gross"] <= 150)


def names(data: Dataset) -> list[str]:
    return [field.name for field in data.fields]


__all__ = ["kept", "names", "objects", "rules", "shop"]
