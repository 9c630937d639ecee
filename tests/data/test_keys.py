"""Codes: told from numbers and from free text; new keys keep their pattern and their check digits."""

import random
import re
import uuid

import numpy as np
import pandas as pd
import pytest

import genwright as gw
from genwright.data.checks import CHECKS, is_valid
from genwright.data.dataset import Category, Identifier, Number, Text
from genwright.data.keys import new_keys
from genwright.data.read import read
from genwright.data.write import write

ROWS = 300
DRAW = random.Random(0)


def digits(k):
    return "".join(DRAW.choices("0123456789", k=k))


def many(make):
    """Different codes, one per row."""
    codes: dict[str, None] = {}
    while len(codes) < ROWS:
        codes[make()] = None
    return list(codes)


def checked(check, make):
    return lambda: next(code for code in iter(lambda: CHECKS[check](make()), 0) if code is not None)


BYTE = r"(25[0-5]|2[0-4]\d|1?\d?\d)"
UUID = "H{8}-H{4}-4H{3}-[89ab]H{3}-H{12}".replace("H", "[0-9a-f]")
CODES = {
    "nhs number": (checked("modulus_11", lambda: f"{digits(3)} {digits(3)} {digits(4)}"), r"\d{3} \d{3} \d{4}"),
    "groups": (lambda: f"{digits(3)} {digits(3)} {digits(4)}", r"\d{3} \d{3} \d{4}"),
    "iban": (checked("iban", lambda: f"DE00 {digits(4)} {digits(4)} {digits(4)} {digits(4)}"), r"DE\d\d( \d{4}){4}"),
    "iban of several countries": (
        checked("iban", lambda: DRAW.choice([f"DE00{digits(18)}", f"NL00ABNA{digits(10)}", f"FR00{digits(23)}"])),
        r"DE\d{20}|NL\d\dABNA\d{10}|FR\d{25}",
    ),
    "card": (checked("luhn", lambda: f"4{digits(3)} {digits(4)} {digits(4)} {digits(4)}"), r"4\d{3}( \d{4}){3}"),
    "card of digits alone": (checked("luhn", lambda: f"5{digits(15)}"), r"5\d{15}"),
    "ean": (checked("gtin", lambda: f"40{digits(11)}"), r"40\d{11}"),
    "isbn": (checked("isbn", lambda: f"3-{digits(2)}-{digits(6)}-0"), r"3-\d\d-\d{6}-[\dX]"),
    "phone": (lambda: f"+49 {digits(3)} {digits(4)} {digits(4)}", r"\+49 \d{3} \d{4} \d{4}"),
    "phone in brackets": (lambda: f"({digits(3)}) {digits(3)}-{digits(4)}", r"\(\d{3}\) \d{3}-\d{4}"),
    "uuid": (lambda: str(uuid.UUID(int=DRAW.getrandbits(128), version=4)), UUID),
    "hash": (lambda: f"{DRAW.getrandbits(160):040x}", "[0-9a-f]{40}"),
    "hexadecimal": (lambda: f"{DRAW.getrandbits(32):08X}", "[0-9A-F]{8}"),
    "internet address": (lambda: ".".join(str(DRAW.randrange(256)) for _ in range(4)), rf"({BYTE}\.){{3}}{BYTE}"),
    "private address": (lambda: f"10.0.{DRAW.randrange(256)}.{DRAW.randrange(256)}", r"10\.0\.\d{1,3}\.\d{1,3}"),
    "mac": (lambda: ":".join(f"{DRAW.randrange(256):02x}" for _ in range(6)), "[0-9a-f]{2}(:[0-9a-f]{2}){5}"),
    "zip": (lambda: digits(5), r"\d{5}"),
    "zip of nine": (lambda: f"{digits(5)}-{digits(4)}", r"\d{5}-\d{4}"),
    "plate": (lambda: "".join(DRAW.choices("ABCDEFGHJK", k=2)) + f"-{digits(3)}", r"[A-K]{2}-\d{3}"),
    "power": (lambda: f"{DRAW.randrange(10, 100)}E{DRAW.randrange(100, 999)}", r"\d\dE\d{3}"),
    "zeros and power": (lambda: f"0{digits(1)}E{digits(3)}", r"0\dE\d{3}"),
    "account": (lambda: digits(10), r"\d{10}"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CODES)
def test_new_keys_keep_the_pattern(kind):
    make, form = CODES[kind]
    codes = many(make)
    assert all(re.fullmatch(form, code) for code in codes)
    data = read(pd.DataFrame({"x": codes, "y": list("ab") * (ROWS // 2)}))
    field = data.field("x")
    assert isinstance(field, Identifier) and any("'x': different in 300 of 300 rows" in note for note in data.notes)
    keys = new_keys(field, 500)
    assert len(set(keys)) == 500 and all(re.fullmatch(form, key) for key in keys)
    for check in CHECKS:
        if all(is_valid(code, check) for code in codes):
            assert all(is_valid(key, check) for key in keys)
    assert keys == new_keys(field, 600)[:500]  # more rows, the same keys first
    assert len(set(keys) & set(codes)) < 25  # by chance, where there are few codes


def test_keys_of_two_columns_differ():
    codes = [many(CODES["uuid"][0]), many(CODES["uuid"][0])]
    data = read(pd.DataFrame({"sender": codes[0], "receiver": codes[1], "y": range(ROWS)}))
    assert not set(new_keys(data.field("sender"), 100)) & set(new_keys(data.field("receiver"), 100))


@pytest.mark.parametrize(
    ("codes", "new"),
    [
        ([f"{z:05d}" for z in np.random.default_rng(0).permutation(np.arange(99_700, 99_900))], r"\d{5}"),
        ([f"{z:03d}" for z in range(850, 990)], r"\d{3}"),
        ([f"R-{z}" for z in range(9_500, 9_990)], r"R-\d{4}"),
        ([f"INV-{2020 + i % 4}-{i:05d}" for i in range(300)], r"INV-202[0-3]-\d{5}"),
    ],
)
def test_numbers_do_not_outgrow_their_width(codes, new):
    field = read(pd.DataFrame({"x": codes, "y": list("ab") * (len(codes) // 2)})).field("x")
    assert all(re.fullmatch(new, key) for key in new_keys(field, len(codes)))
    if not field.codes:
        assert not set(new_keys(field, len(codes))) & set(codes)


def test_outgrowing_is_said():
    field = read(pd.DataFrame({"id": [f"{z:03d}" for z in range(200)], "y": list("ab") * 100})).field("id")
    with pytest.warns(UserWarning, match="'id': 3 digits are enough for 800 new keys; further ones are longer"):
        keys = new_keys(field, 801)
    assert (keys[799], keys[800]) == ("999", "1000")
    with pytest.warns(UserWarning, match="'x': there are 20 codes like"):
        keys = new_keys(Identifier("x", codes=("[AB][0-9]",), counts=(1,)), 30)
    assert len(set(keys)) == 30 and sum(bool(re.fullmatch("[AB][0-9]-2", key)) for key in keys) == 10
    assert new_keys(read(pd.DataFrame({"id": range(1, 100)})).field("id"), 1)[0] == "100"  # counting just goes on


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["12E3", "14E2", "11E4", "12E1"], "category"),
        (["07E3", "11E4", "12E1", "12E2"], "category"),
        (["1E3", "2E4", "1E5", "3E3"], Number),  # as in dilutions
        (["1.2E3", "12E3", "5E1", "7E2"], Number),
        (["12e+03", "14e+02", "1e+01", "9e+00"], Number),
        (["01.13", "01.41", "46.11", "02.20"], "category"),
        (["4012", "7210", "1234", "9999"], Number),
    ],
)
def test_numbers_and_codes_of_many_rows_each(values, kind):
    data = read(pd.DataFrame({"x": values * 20, "y": range(80)}))
    field = data.field("x")
    assert field == Category("x", tuple(sorted(values)), "str") if kind == "category" else isinstance(field, kind)
    if kind == "category":
        assert any("kept as codes" in note or "0" in values[0][:1] for note in data.notes)
        assert isinstance(read(pd.DataFrame({"x": values * 20}), schema={"x": "number"}).field("x"), Number)


def test_sentences_with_numbers_are_no_codes():
    draw = np.random.default_rng(0)
    streets = [f"{draw.integers(1, 400)} {draw.choice(['Main', 'High', 'Oak'])} Street {c}" for c in "abcdefgh" * 30]
    orders = [
        f"order {i} came {draw.choice(['late', 'broken'])} to {draw.choice(['Rome', 'Oslo'])}" for i in range(240)
    ]
    data = read(pd.DataFrame({"street": streets, "order": orders, "y": list("ab") * 120}))
    assert isinstance(data.field("street"), Text) and isinstance(data.field("order"), Text)


def test_codes_through_a_model_and_files(tmp_path):
    codes = many(CODES["iban"][0])
    data = read(pd.DataFrame({"iban": codes, "y": list("ab") * (ROWS // 2)}))
    model = gw.fit(data, family=gw.Mixture(components=2), steps=5)
    model.save(tmp_path / "model")
    fake = gw.load(tmp_path / "model").sample(50, seed=0)
    assert all(is_valid(code, "iban") for code in fake.columns["iban"]) and not set(fake.columns["iban"]) & set(codes)
    for name in ("a.csv", "a.parquet", "a.jsonl"):
        write(fake, tmp_path / name)
        assert read(tmp_path / name).columns["iban"].tolist() == fake.columns["iban"].tolist()
