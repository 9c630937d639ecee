"""A small shop of known distribution: customers, products, and orders that belong to a customer and name a product."""

import numpy as np
import pandas as pd

CITIES = {"Rome": 2.0, "Oslo": 5.0, "Lima": 5.0}  # mean orders of a customer


def shop(customers, *, seed=0, products=40):
    """Frames of three tables.

    log(amount) = 3 + .35 (age - 49) / 18 + .5 z, where z is a first-order autoregression with coefficient .7; days
    between orders are 1 and more, 20 on average; one order in ten names no product, others one of its price class:
    dear products are ordered by the old.
    """
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, customers)
    city = rng.choice(list(CITIES), customers, p=[0.5, 0.3, 0.2])
    signup = np.datetime64("2022-01-01") + rng.integers(0, 365, customers).astype("timedelta64[D]")
    price = np.round(np.exp(rng.normal(3, 1, products)), 2)
    dear = price > np.median(price)
    many = rng.poisson([CITIES[name] for name in city])
    owner = np.repeat(np.arange(customers), many)
    z, day = np.empty(len(owner)), np.empty(len(owner), dtype="datetime64[D]")
    for i, who in enumerate(owner):
        fresh = i == 0 or owner[i - 1] != who
        z[i] = rng.normal() if fresh else 0.7 * z[i - 1] + rng.normal(0, np.sqrt(0.51))
        day[i] = (signup[who] if fresh else day[i - 1]) + np.timedelta64(int(1 + rng.exponential(20)), "D")
    wants_dear = (age[owner] > 49) ^ (rng.random(len(owner)) < 0.1)
    chosen = np.where(
        wants_dear, rng.choice(np.flatnonzero(dear), len(owner)), rng.choice(np.flatnonzero(~dear), len(owner))
    )
    product = pd.array(chosen + 1, dtype="Int64")
    product[rng.random(len(owner)) < 0.1] = pd.NA
    amount = np.round(np.exp(3 + 0.35 * (age[owner] - 49) / 18 + 0.5 * z), 2)
    keys = [f"C{i:05d}" for i in range(customers)]
    return {
        "customers": pd.DataFrame({"id": keys, "age": age, "city": city, "signup": signup}),
        "products": pd.DataFrame({"id": np.arange(1, products + 1), "price": price}),
        "orders": pd.DataFrame(
            {
                "id": np.arange(1, len(owner) + 1),
                "customer_id": np.array(keys, dtype=object)[owner],
                "day": day.astype("datetime64[us]"),
                "amount": amount,
                "product_id": product,
            }
        ),
    }


def facts(database):
    """What the distribution says of a database: numbers to hold against each other."""
    by = {f.column: f for f in database.foreign}
    customers, orders, products = (database.tables[name] for name in ("customers", "orders", "products"))
    who, what = database.parent_rows(by["customer_id"]), database.parent_rows(by["product_id"])
    age = customers.columns["age"]
    frame = pd.DataFrame({"who": who, "amount": np.log(orders.columns["amount"]), "day": orders.columns["day"]})
    frame = frame.sort_values(["who", "day"], kind="stable")
    frame["before"] = frame.groupby("who")["amount"].shift()
    means = frame.groupby("who")["amount"].mean()
    many = np.bincount(who, minlength=len(customers))
    first = frame.groupby("who")["day"].first()
    named = what >= 0
    return {
        "many": many,
        "city": {c: many[customers.columns["city"] == c].mean() for c in CITIES},
        "with age": np.corrcoef(age[means.index], means)[0, 1],
        "with before": frame["amount"].corr(frame["before"]),
        "gap": frame.groupby("who")["day"].diff().dt.days.dropna().to_numpy(),
        "since signup": (first.to_numpy() - customers.columns["signup"][first.index]) / np.timedelta64(1, "D"),
        "named": named.mean(),
        "price with age": pd.Series(products.columns["price"][what[named]]).corr(
            pd.Series(age[who[named]]), "spearman"
        ),
        "per product": np.bincount(what[named], minlength=len(products)),
    }
