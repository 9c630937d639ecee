"""Numbers as people write them: read as numbers wherever values come from, and written back in their form."""

import numpy as np
import pandas as pd
import pytest

import genwright as gw
from genwright.constraints import Range
from genwright.constraints.grids import bound
from genwright.data.dataset import Category, Identifier, Number, Text, Time
from genwright.data.like import read_like
from genwright.data.numerals import is_form, plain_text, read_numerals, readings, spell
from genwright.data.read import read
from genwright.data.write import write
from genwright.errors import ArgumentError, DataError

NARROW, NO_BREAK = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("texts", "plain", "form"),
    [
        (["829,69", "1.234,50", "-2.000.000,05"], ["829.69", "1234.50", "-2000000.05"], "-1.234.567,5"),
        (["18,69", "7,95"], ["18.69", "7.95"], "-1234567,5"),
        (["$829.69", "-$1,234.50"], ["829.69", "-1234.50"], "-$1,234,567.5"),
        (["$-3.50", "$7.00"], ["-3.50", "7.00"], "$-1234567.5"),
        (["(829.69)", "12.00"], ["-829.69", "12.00"], "(1234567.5)"),
        (["($1,829.69)", "$1,012.00"], ["-1829.69", "1012.00"], "($1,234,567.5)"),
        (["12.50-", "3.00"], ["-12.50", "3.00"], "1234567.5-"),
        (["\N{MINUS SIGN}5,5 °C", "3,0 °C"], ["-5.5", "3.0"], "\N{MINUS SIGN}1234567,5 °C"),
        (["+3,5", "-2,0"], ["3.5", "-2.0"], "±1234567,5"),
        ([f"12{NO_BREAK}345,5 €", "0,5 €"], ["12345.5", "0.5"], f"-1{NO_BREAK}234{NO_BREAK}567,5 €"),
        ([f"1{NARROW}234,5", "9,25"], ["1234.5", "9.25"], f"-1{NARROW}234{NARROW}567,5"),
        (["1'234.50", "12.00"], ["1234.50", "12.00"], "-1'234'567.5"),
        (["12.50 CHF", "1\N{RIGHT SINGLE QUOTATION MARK}300.00 CHF"], ["12.50", "1300.00"], "-1’234’567.5 CHF"),
        (["€ 12", "€ 5"], ["12", "5"], "-€ 1234567.5"),
        (["USD 12.50", "USD 1,300.00"], ["12.50", "1300.00"], "-USD 1,234,567.5"),
        (["R$ 1.234,56"], ["1234.56"], "-R$ 1.234.567,5"),
        (["39,9 %", "5,0 %"], ["39.9", "5.0"], "-1234567,5 %"),
        (["5 kg", "12.5 kg"], ["5", "12.5"], "-1234567.5 kg"),
        (["12,- €", "1.350,- €"], ["12", "1350"], "-1.234.567,5,- €"),
        (["4,575e+02", "4,575e+03"], ["4.575e+02", "4.575e+03"], "-1234567,5"),
        (["3.2k", "10k"], ["3.2", "10"], "-1234567.5k"),
        (["1.234,5 Mio. €", "2,0 Mio. €"], ["1234.5", "2.0"], "-1.234.567,5 Mio. €"),
        (["12,34,567.50", "1,000.00", "1,23,456.00"], ["1234567.50", "1000.00", "123456.00"], "-12,34,567.5"),
        (["1,234,567", "999"], ["1234567", "999"], "-1,234,567.5"),
        (["1.234.567", "999"], ["1234567", "999"], "-1.234.567,5"),
        (["1,5E+05", "2,5E-03"], ["1.5E+05", "2.5E-03"], "-1234567,5"),
        (["$1,234", "$950"], ["1234", "950"], "-$1,234,567.5"),
        (["950", "3.2k", "4M", "-1.25B"], ["950", "3200", "4000000", "-1250000000"], "-1234567.5[|k|M|B]"),
        (["$3.20k", "$4.00M"], ["3200", "4000000"], "-$1234567.500[k|M]"),
        (["(€1.5K)", "€2bn"], ["-1500", "2000000000"], "(€1234567.5[K|bn])"),
        (["3,2 Mio. €", "900 €", "1,05 Mrd. €"], ["3200000", "900", "1050000000"], "-1234567,5[| Mio.| Mrd.] €"),
        (["12.50 DR", "1,300.00 CR"], ["-12.50", "1300.00"], "1,234,567.5 DR/CR"),
        (["€ 12,50Dr", "€ 13,00Cr"], ["-12.50", "13.00"], "€ 1234567,5Dr/Cr"),
        (["12.50 CR", "1,300.00"], ["-12.50", "1300.00"], "1,234,567.5 CR"),
        (["-١٬٢٣٤٫٥٠", "٩٫٢٥"], ["-1234.50", "9.25"], "-١٬٢٣٤٬٥٦٧٫٥"),
        (["۱۲ kg", "۷ kg"], ["12", "7"], "-۱۲۳۴۵۶۷.۵ kg"),
        (["１，２３４．５％", "８．０％"], ["1234.5", "8.0"], "-１，２３４，５６７．５％"),
        (["1,234", "950", "2,340"], ["1234", "950", "2340"], "-1,234,567.5"),  # decimals would be alike
    ],
)  # fmt: skip
def test_forms_are_read_and_written(texts, plain, form):
    found = read_numerals(texts)
    assert (found.plain, found.form) == (plain, form) and not any("alike" in note for note in found.notes)
    assert [spell(p, form) for p in plain] == texts
    assert [plain_text(t, form) for t in texts] == plain and is_form(form)


@pytest.mark.parametrize(
    "texts",
    [
        ["2-", "1", "3"], ["(1)", "(2)"], ["A12", "B13"], ["12th", "13th"], ["1,2", "1,2,3"], ["10-20"], ["<5", "6"],
        ["12:30"], ["01.02.2020"], ["007,5"], ["5 doors", "3 doors"], ["$5", "€7"], ["5 kg", "300 g"],
        ["1.234,5", "1,234.5"], ["192.168.1.1"], ["1, 2"], ["- -5,0"], ["(5,0"], ["1,50.5"], ["R12", "R-13"],
        ["5+", "80+"], ["EUR-5,00"],        [f"{i} 456 78{i % 10}" for i in range(100, 130)],
    ],
)  # fmt: skip
def test_no_numbers(texts):
    assert read_numerals(texts) is None


@pytest.mark.parametrize(
    ("texts", "plain"),
    [
        (["5m", "7"], ["5", "7"]),  # metres
        (["300 K", "280"], ["300", "280"]),  # kelvins
        (["512B", "0"], ["512", "0"]),  # bytes
        (["3.2k", "10k"], ["3.2", "10"]),
        (["12.00 CR", "7.50 CR"], ["12.00", "7.50"]),
    ],
)
def test_units_are_no_multiples(texts, plain):
    assert read_numerals(texts).plain == plain


def table(tmp_path, columns, **options):
    path = tmp_path / "t.csv"
    frame = pd.DataFrame(columns)
    frame.assign(z=["ab"[i % 2] for i in range(len(frame))]).to_csv(path, index=False, sep=";")
    return read(path, **options)


def german(values):
    return [spell(f"{v:.2f}", "-1.234.567,5") for v in values]


AMOUNTS = np.random.default_rng(0).lognormal(6, 1, 60).round(2)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_forms_through_files(tmp_path, suffix):
    forms = ["-1.234.567,5", "($1,234,567.5)", "-1234567,5 %", f"-1{NARROW}234{NARROW}567,5 €"]
    columns = {f"x{i}": [spell(f"{v - 500:.2f}", form) for v in AMOUNTS] for i, form in enumerate(forms)}
    data = table(tmp_path, columns)
    assert not data.notes
    for i, form in enumerate(forms):
        field = data.field(f"x{i}")
        assert (field.form, field.decimals, field.min_decimals) == (form, 2, 2)
        np.testing.assert_allclose(data.columns[f"x{i}"], AMOUNTS - 500, atol=1e-9)
    write(data, tmp_path / f"again.{suffix}")
    again = read(tmp_path / f"again.{suffix}")
    assert again.fields == data.fields
    for name in columns:
        assert (again.columns[name] == data.columns[name]).all()
    if suffix == "csv":
        assert pd.read_csv(tmp_path / "again.csv", dtype=str)[list(columns)].to_dict("list") == columns


def test_forms_through_a_database(tmp_path):
    pytest.importorskip("sqlalchemy")
    data = table(tmp_path, {"x": german(AMOUNTS)})
    url = f"sqlite:///{tmp_path}/shop.db"
    write(data, url, table="t")
    assert read(url, table="t").fields == data.fields
    write(read(pd.DataFrame({"x": AMOUNTS, "z": ["a", "b"] * 30})), url, table="numbers")
    write(data, url, table="numbers", if_exists="append")  # a column of numbers gets numbers
    assert (read(url, table="numbers").columns["x"] == np.tile(AMOUNTS, 2)).all()


@pytest.mark.parametrize("told", ["1,234", "€1,234"])
def test_what_could_be_two_numbers_is_asked(tmp_path, told):
    texts = [told, told.replace("1,2", "2,5"), told.replace("1,2", "3,1")]
    with pytest.raises(DataError) as caught:
        table(tmp_path, {"x": texts, "y": list("aba")})
    assert caught.value.what == f"row 1 holds {told!r}: is that 1234 or 1.234?" and "number,comma" in caught.value.hint
    for kind, value in (("number,comma", 1.234), ("number,point", 1234)):
        data = table(tmp_path, {"x": texts, "y": list("aba")}, schema={"x": kind})
        assert data.columns["x"][0] == value and data.field("x").decimals == (3 if value < 2 else 0)
        write(data, tmp_path / "again.csv")
        assert pd.read_csv(tmp_path / "again.csv")["x"].tolist() == texts
    assert isinstance(table(tmp_path, {"x": texts}, schema={"x": "category"}).field("x"), Category)


def test_other_columns_tell_the_decimal_mark(tmp_path):
    texts = ["1,234", "2,534", "3,134"]
    for other, value in ((["19,99", "5,20", "7,5"], 1.234), (["19.99", "5.20", "7.5"], 1234)):
        data = table(tmp_path, {"x": texts, "price": other})
        assert data.columns["x"][0] == value and any("'x': '1,234' is read as" in note for note in data.notes)
    data = table(tmp_path, {"x": ["1.234", "2.500", "12.750"], "price": ["19,99", "5,20", "7,5"]})
    assert data.columns["x"].tolist() == [1234, 2500, 12750] and any("is read as 1234" in note for note in data.notes)
    data = table(tmp_path, {"x": ["1.234", "2.500", "12.750"], "price": ["19.99", "5.20", "7.5"]})
    assert data.columns["x"].tolist() == [1.234, 2.5, 12.75] and not data.notes


def test_what_is_not_alike_or_no_number_is_said(tmp_path):
    data = table(tmp_path, {"x": ["$12.50", "13.25", "$ 7.00"], "y": [1, 2, 3]})
    assert data.columns["x"].tolist() == [12.5, 13.25, 7] and any("not written alike" in note for note in data.notes)
    several = [f"{i} {'kg' if i % 2 else 'g'}" for i in range(40)]
    data = table(tmp_path, {"x": several})
    assert not isinstance(data.field("x"), Number) and any("'x': looks like numbers" in note for note in data.notes)
    data = table(tmp_path, {"x": [*german(AMOUNTS), "on request"]})
    assert any("98.4% of values are numbers, but not 'on request'" in note for note in data.notes)
    assert isinstance(table(tmp_path, {"x": [*german(AMOUNTS), "on request"]}, missing="on request").field("x"), Number)
    for dash in ("-", "- €", "€ \N{EN DASH}"):
        data = table(tmp_path, {"x": [*(f"{t} €" for t in german(AMOUNTS)), dash]})
        assert np.isnan(data.columns["x"][-1]) and any("is read as missing" in note for note in data.notes)
    data = read(pd.DataFrame({"x": [f"{k} year{'s' * (k != 1)}" for k in range(40)], "y": range(40)}))
    assert any("'x': looks like numbers" in note for note in data.notes)
    assert not read(pd.DataFrame({"x": ["3 doors", "5 doors"] * 20, "y": [1, 2] * 20})).notes
    assert read(pd.DataFrame({"x": [f" {v:,.2f} " for v in AMOUNTS]})).columns["x"].tolist() == AMOUNTS.tolist()
    with pytest.raises(DataError, match="several units"):
        table(tmp_path, {"x": several}, schema={"x": "number"})


def test_marks_for_missing_are_numbers_however_written(tmp_path):
    assert readings("-200,00 €") == {-200.0} and readings("1,234") == {1.234, 1234.0} and readings("1.234") == {1.234}
    data = table(tmp_path, {"x": [*german(AMOUNTS), "-200,00"]}, missing=-200)
    assert np.isnan(data.columns["x"][-1]) and data.field("x").low > 0


def test_generated_data_is_read_in_the_form_of_the_real(tmp_path):
    real = table(tmp_path, {"x": german(AMOUNTS), "n": [spell(str(k), "-1.234.567,5") for k in range(900, 960)]})
    for written in (german(AMOUNTS), [f"{v:.2f}" for v in AMOUNTS], AMOUNTS):
        like = read_like(pd.DataFrame({"x": written, "n": range(900, 960), "z": ["a", "b"] * 30}), real)
        assert like.fields == real.fields and (like.columns["x"] == AMOUNTS).all()
    with pytest.raises(DataError, match="not a number: 'cheap'"):
        read_like(pd.DataFrame({"x": ["cheap", "1,5"], "n": [1, 2], "z": ["a", "b"]}), real)
    groups = read(pd.DataFrame({"n": ["1.234", "12.500", "1.000.000"] * 9}))
    assert read_like(pd.DataFrame({"n": ["1.234", "7"]}), groups).columns["n"].tolist() == [1234, 7]


def test_conditions_rules_and_models_speak_the_form(tmp_path):
    others = {"views": "-1234567.50[|k|M]", "سعر": "-١٬٢٣٤٬٥٦٧٫٥", "saldo": "1.234.567,5 DR/CR"}
    views = [f"{float(f'{(v - 40) ** 2:.2g}'):.0f}" for v in AMOUNTS]
    columns = {"views": views, "سعر": [f"{v:.2f}" for v in AMOUNTS], "saldo": [f"{v - 500:.2f}" for v in AMOUNTS]}
    columns = {name: [spell(v, others[name]) for v in column] for name, column in columns.items()}
    data = table(tmp_path, {"betrag": german(AMOUNTS), "land": ["DE", "AT"] * 30, **columns})
    assert {name: data.field(name).form for name in others} == others
    said = "looks like a multiple and is read as"
    assert any(said in note and "schema={'views': \"category\"} says otherwise" in note for note in data.notes)
    field = data.field("betrag")
    assert bound(field, "1.000,00", rule="Range") == bound(field, "1000", rule="Range") == 1000
    with pytest.raises(ArgumentError, match="'teuer' is not a number"):
        bound(field, "teuer", rule="Range")
    model = gw.fit(data, family=gw.Mixture(components=2), steps=5, constraints=[Range("betrag", low="30,00")])
    given = german(AMOUNTS[:1])[0]
    fake = model.sample(20, given={"betrag": given}, seed=0)
    assert (fake.columns["betrag"] == AMOUNTS[0]).all()
    drawn = model.sample(20, given={"betrag": gw.Between("200,00", "1.000,5")}, seed=0).columns["betrag"]
    assert drawn.min() >= 200 and drawn.max() <= 1000.5
    with pytest.raises(ArgumentError) as caught:
        model.sample(2, given={"betrag": "viel"})
    assert "1.234,5" in caught.value.hint
    model.save(tmp_path / "model")
    fake = gw.load(tmp_path / "model").sample(30, seed=1)
    write(fake, tmp_path / "fake.csv")
    texts, again = pd.read_csv(tmp_path / "fake.csv", dtype=str), read_like(tmp_path / "fake.csv", data)
    assert texts["betrag"].str.fullmatch(r"\d{1,3}(\.\d{3})*,\d\d").all()
    assert texts["views"].str.fullmatch(r"\d{1,3}|\d{1,3}\.\d[kM]").all()
    assert texts["سعر"].str.fullmatch(r"-?[٠-٩٬]+٫[٠-٩]{2}").all() and texts["saldo"].str.endswith((" DR", " CR")).all()
    assert all((again.columns[name] == fake.columns[name]).all() for name in ("betrag", *others))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([f"{k}.{k % 7}" for k in range(40)], Number),
        ([f"{k % 28 + 1:02d}.02.2020" for k in range(40)], Time),
        (["1+", "1-", "2+", "2-", "3"] * 8, Category),
        ([f"{k} Main Street, {k % 7} floor" for k in range(40)], Text),
        ([f"{k:03d} {k + 100} {k + 200}" for k in range(0, 800, 20)], Identifier),
        (["3 doors", "5 doors"] * 20, Category),
        (["1st", "2nd", "3rd", "4th"] * 10, Category),
    ],
)
def test_other_columns_stay_what_they_are(values, kind):
    assert isinstance(read(pd.DataFrame({"x": values, "y": range(40)})).field("x"), kind)


def test_one_column_with_decimal_commas_says_how_it_is_read(tmp_path):
    lines = ["x", "1,5", "-1.234,25", "37"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(DataError) as caught:
        read(tmp_path / "a.csv")
    assert 'if 1,5 is one number, put each line in quotation marks ("1,5")' in caught.value.hint
    (tmp_path / "b.csv").write_text("\n".join(f'"{line}"' for line in lines))  # as the hint says
    assert read(tmp_path / "b.csv").columns["x"].tolist() == [1.5, -1234.25, 37.0]
    (tmp_path / "a.csv").write_text("x\nred,blue\n")
    with pytest.raises(DataError) as caught:
        read(tmp_path / "a.csv")
    assert "one number" not in caught.value.hint
