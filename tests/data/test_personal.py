"""inspect: personal data, marks for no value, rows in two files, imbalance; and what a fit needs."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from genwright.app.cli import main
from genwright.data.inspect import inspect
from genwright.data.personal import is_card, is_iban, is_ip
from genwright.data.read import read

ROWS = 300


def card(digits):
    """`digits` and the check digit that Luhn's rule asks for."""
    last = next(d for d in range(10) if is_card(f"{digits}{d}"))
    return f"{digits}{last}"


def iban(number):
    return next(f"DE{check:02d}{number:018d}" for check in range(2, 99) if is_iban(f"DE{check:02d}{number:018d}"))


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    first, last = ["Ann", "Bo", "Cyd", "Dee"], ["Gray", "Hill", "Lee", "O'Shea", "Wu-Li"]
    return pd.DataFrame(
        {
            "id": np.arange(ROWS),
            "who": [f"{a} {b}" for a, b in zip(rng.choice(first, ROWS), rng.choice(last, ROWS))],
            "contact": [f"user{i}@example.org" for i in range(ROWS)],
            "call": [f"+44 20 7946 {i:04d}" for i in rng.permutation(10_000)[:ROWS]],
            "account": [iban(int(i)) for i in rng.integers(1, 10**15, ROWS)],
            "paid_with": [int(card(int(d))) for d in rng.integers(4 * 10**14, 5 * 10**14, ROWS)],
            "from_where": [f"10.0.{a}.{b}" for a, b in rng.integers(0, 255, (ROWS, 2))],
            "area": [f"SW{i}A {j}AA" for i, j in rng.integers(1, 9, (ROWS, 2))],
            "birth_date": pd.Timestamp("1960-01-01") + pd.to_timedelta(rng.integers(0, 9000, ROWS), "D"),
            "surname": rng.choice(last, ROWS),
            "income": np.where(rng.random(ROWS) < 0.03, -999, rng.integers(100, 9000, ROWS)),
            "visits": rng.poisson(3, ROWS),
            "seen": np.where(rng.random(ROWS) < 0.04, "1900-01-01", "2020-05-1") + "",
            "state": rng.choice(["ok", "bad", "unknown"], ROWS, p=[0.9, 0.02, 0.08]),
        }
    ).assign(seen=lambda f: [s if s.startswith("19") else f"{s}{i % 10}" for i, s in enumerate(f["seen"])])


def test_personal_data_is_shown_to_confirm(people):
    found = {f.field: f for f in inspect(read(people)).personal}
    assert {name: f.what for name, f in found.items()} == {
        "contact": "e-mail address",
        "call": "telephone number",
        "account": "account number (IBAN)",
        "paid_with": "credit card number",
        "from_where": "internet address",
        "area": "postcode",
        "birth_date": "date of birth",
        "surname": "name of a person",
    }
    assert "not modelled" in found["contact"].treatment and "come up in samples" in found["surname"].treatment
    assert "user" not in found["contact"].example  # shapes, not contents


def test_marks_for_no_value_are_shown_to_confirm(people):
    found = {f.field: f.example for f in inspect(read(people)).suspicious}
    assert found == {"income": "-999", "seen": "1900-01-01", "state": "unknown"}
    plain = pd.DataFrame({"x": np.random.default_rng(0).normal(size=500).round(2), "n": np.arange(500) % 90 - 1})
    assert not inspect(read(plain)).suspicious


def test_rows_in_two_files_and_imbalance(people):
    data = read(people, label="state")
    other = data.take(np.arange(40))
    found = inspect(data, others={"test": other, "none": read(people.assign(visits=people["visits"] + 100))})
    assert found.leaks[0] == ("test", 40, 40) and found.leaks[1][2] == 0
    assert any("times as often" in note for note in found.notes)
    assert json.loads(json.dumps(found.to_json()))["leaks"][0]["also_here"] == 40


def test_the_command_says_all_of_it(people, tmp_path):
    people.to_csv(tmp_path / "people.csv", index=False)
    people[:50].to_csv(tmp_path / "test.csv", index=False)
    shown = CliRunner().invoke(main, ["inspect", str(tmp_path / "people.csv"), "--other", str(tmp_path / "test.csv")])
    assert shown.exit_code == 0, shown.output
    for told in ("50 of the 50 rows", "e-mail address", "--missing -999", "MiB", "minutes"):
        assert told in shown.stdout
    asked = CliRunner().invoke(main, ["inspect", str(tmp_path / "people.csv"), "--json"])
    found = json.loads(asked.stdout)
    assert found["personal"][0]["field"] == "contact" and found["suspicious"] and found["memory_bytes"] > 0


@pytest.mark.parametrize(
    ("test", "right", "wrong"),
    [
        (is_card, "5500 0000 0000 0004", "5500 0000 0000 0005"),
        (is_card, "340000000000009", "34000000000"),
        (is_iban, "DE89370400440532013000", "DE88370400440532013000"),
        (is_ip, "2001:db8::1", "12:30:45"),
        (is_ip, "192.168.0.1", "192.168.0.256"),
    ],
)
def test_checks(test, right, wrong):
    assert test(right) and not test(wrong)
