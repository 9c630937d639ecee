"""Numbers as people write them: decimal marks, groups of digits, currencies, units and signs; read, and written again.

A form is how -1234567.5 is written in it: `-1.234.567,5 €`, `($1,234,567.5)`, in India `-12,34,567.5`; ± in place of
the minus says that positive numbers have a plus. The empty form is how programs write: -1234567.5.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

NUMBER = re.compile(r"[+-]?([0-9]+\.?([0-9]*)|\.([0-9]+))([eE]([+-]?[0-9]{1,4}))?")
GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+")  # as programs write numbers, but also as people do
BLANKS = " \N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}"
QUOTES = "'\N{RIGHT SINGLE QUOTATION MARK}"
SIGNS = "\N{MINUS SIGN}\N{EN DASH}-"
ALIKE = str.maketrans(BLANKS + QUOTES, " " * len(BLANKS) + "'" * len(QUOTES))
BODY = rf"[.,]?[0-9](?:[0-9.,{BLANKS}{QUOTES}]*[0-9])?"
TEXT = re.compile(rf"(?P<before>[^0-9]*?)(?P<body>{BODY}(?:[eE][+-]?[0-9]{{1,3}})?)(?P<after>[^0-9]*)")
NO_CENTS = re.compile("(?:^|(?<=}))[.,][-\N{EN DASH}\N{EM DASH}]+")  # 12,-
CODED = re.compile(f"^R$|[A-Za-z][{SIGNS}]")  # before a number: the beginning of a code, not a currency
WORD = re.compile(r"[^\W\d_][^\d(){}]{1,14}")  # behind a blank, a unit that is not known
CURRENCIES = (
    "$ € £ ¥ ₹ ₽ ₩ ₺ ₫ ₴ ₪ ₦ ฿ ₱ ₡ ₲ ₵ ₸ AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS "
    "INR ISK JPY KES KRW MXN MYR NGN NOK NZD PEN PHP PKR PLN RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR kr "
    "kr. Fr Fr. SFr. Kč zł Ft lei Rs Rs. R R$ US$ A$ C$ NZ$ HK$ S$ NT$ MX$ CA$ AU$"
)
UNITS = (
    "% ‰ ° °C °F k K M nm µm mm cm dm m km in ft yd mi ng µg mg g kg t lb lbs oz ml mL cl dl l L s ms min h d mmHg bpm "
    "rpm Hz kHz MHz GHz V mV A mA W kW MW kWh MWh Wh J kJ kcal cal Pa hPa kPa bar mbar N B kB KB MB GB TB px pt dB ppm "
    "mg/dL mg/dl mmol/L mmol/l g/dL g/dl g/l km/h mph m/s m² m³ km² ha sqm sqft"
)
DASHES = frozenset({"-", "--", "\N{EN DASH}", "\N{EM DASH}", "."})
POINTED = "$ £ ¥ ₹ USD GBP JPY INR CNY AUD NZD HKD SGD US$ A$ NZ$ HK$ S$ CA$ AU$ Rs Rs."  # 1,234 is above one of these
BEFORE, BEHIND = frozenset(CURRENCIES.split()), frozenset(f"{CURRENCIES} {UNITS}".split())
FEW_AMOUNTS = 10  # different ones, up to which a word behind whole numbers makes classes: 3 doors, 5 doors
FEW_CODES = 20  # different ones, from which groups of digits as wide in all rows are codes: 123 456 789


class Reading(NamedTuple):
    """Texts as programs write numbers, the form that they were in, and what was not clear about it."""

    plain: list[str]
    form: str
    notes: tuple[str, ...] = ()


class Unclear(NamedTuple):
    """A text that could be two numbers: with a point, or with a comma for the decimal mark."""

    text: str
    pointed: str
    comma: str


class _Part(NamedTuple):
    """A text taken apart: digits with their marks, whether they are negative, all around them, and the unit in it."""

    body: str
    negative: bool
    around: str
    unit: tuple[str, str]
    odd: bool  # in brackets, or with the sign at the end


def read_numerals(texts: Sequence[str], *, mark: str = "", likely: str = "") -> Reading | Unclear | None:
    """All texts as numbers of one form; None if some are none, or they have several units.

    `mark` is the decimal mark that the user said; `likely` the one where a text could have either.
    """
    parts: list[_Part] = []
    for text in texts:
        if (part := _part(text)) is None:
            return None
        parts.append(part)
    units = {part.unit for part in parts} - {("", "")}
    if not parts or len(units) > 1:
        return None
    bodies = [part.body.translate(ALIKE) for part in parts]
    mark = mark or next((part.around.partition("{}")[2][0] for part in parts if NO_CENTS.search(part.around)), "")
    marks = set(re.sub("[0-9eE+-]", "", "".join(bodies)))
    options = {m: _plain(bodies, m, marks - {m}) for m in mark or ".,"}
    found = {m: plain for m, plain in options.items() if plain is not None}
    if not found or _are_classes(parts, next(iter(found.values())), marks):
        return None
    right = next(iter(found)) if len(found) == 1 else likely or "."
    notes: tuple[str, ...] = ()
    if len(found) == 2 and found["."] != found[","]:
        place = next(i for i, pair in enumerate(zip(found["."], found[","], strict=True)) if pair[0] != pair[1])
        right = likely or _likely_mark(bodies, marks, units)
        if not right:
            return Unclear(texts[place], found["."][place], found[","][place])
        notes = (f"{texts[place]!r} is read as {found[right][place]}, its decimal mark being {right!r}",)
    plain = [f"-{p}" if part.negative else p for p, part in zip(found[right], parts, strict=True)]
    form = _form(parts, right, marks - {right})
    if [spell(p, form) for p in plain] != list(texts):
        notes += (f"numbers are not written alike; they will be as {form or '-1234567.5'}",)
    return Reading(plain, form, notes)


def _part(text: str) -> _Part | None:
    match = TEXT.fullmatch(text.strip())
    if match is None or "+" in match["after"]:
        return None
    behind = NO_CENTS.sub("", match["after"], count=1)
    before, after = _without_signs(match["before"]), _without_signs(behind)
    signs = "".join(c for c in match["before"] + behind if c in f"+(){SIGNS}")
    word = behind[:1] in BLANKS and WORD.fullmatch(after) is not None
    if (signs and signs not in ("()", "+", *SIGNS)) or (before and before not in BEFORE):
        return None
    if (after and after not in BEHIND and not word) or CODED.search(match["before"]):
        return None
    around = f"{match['before']}{{}}{match['after']}"
    odd = signs == "()" or any(c in SIGNS for c in behind)
    return _Part(match["body"], signs not in ("", "+"), around, (before, after), odd)


def _without_signs(text: str) -> str:
    return re.sub(f"[()+±{SIGNS}]", "", text).strip(BLANKS)


def _plain(bodies: Sequence[str], mark: str, groups: set[str]) -> list[str] | None:
    """Digits with their marks as programs write them; None if `mark` cannot be the decimal mark of all."""
    if len(groups) > 1:
        return None
    group = next(iter(groups), "")
    matches = [_form_of_body(mark, group).fullmatch(body) for body in bodies]
    if any(m is None or (m["power"] and group and group in m["whole"]) for m in matches):
        return None
    return [
        (m["whole"].replace(group, "") or "0") + (f".{m['part']}" if m["part"] else "") + (m["power"] or "")
        for m in matches
        if m is not None
    ]


@cache
def _form_of_body(mark: str, group: str) -> re.Pattern[str]:
    g = re.escape(group)
    grouped = rf"[1-9][0-9]{{0,2}}(?:{g}[0-9]{{3}})+|[1-9][0-9]?(?:{g}[0-9]{{2}})+{g}[0-9]{{3}}|" if group else ""
    part = rf"(?:{re.escape(mark)}(?P<part>[0-9]+))?"
    return re.compile(rf"(?P<whole>{grouped}0|[1-9][0-9]*|){part}(?P<power>[eE][+-]?[0-9]+)?")


def _are_classes(parts: Sequence[_Part], plain: Sequence[str], marks: set[str]) -> bool:
    """Whether these are names of classes, marks at school or codes rather than amounts."""
    if any("." in p for p in plain):
        return False
    few, odd = len(parts) <= FEW_AMOUNTS, [part.odd for part in parts]
    word, unit = any(part.unit[1] not in BEHIND | {""} for part in parts), any(any(part.unit) for part in parts)
    wide = len({len(p.body) for p in parts}) == 1 and len(parts) >= FEW_CODES and len(parts[0].body.split(" ")) > 2
    return (few and (word or any(odd))) or all(odd) or (marks == {" "} and wide and not unit)


def _likely_mark(bodies: Sequence[str], marks: set[str], units: set[tuple[str, str]]) -> str:
    """The decimal mark where each is possible, "" for no telling: all bodies are like 1,234 and 950."""
    if marks == {"."} or any(each in POINTED.split() for unit in units for each in unit):
        return "."
    bare = any("," not in body for body in bodies)  # with as many decimals everywhere, none would be
    return "." if bare and any(body.endswith("0") and "," in body for body in bodies) else ""


def _form(parts: Sequence[_Part], mark: str, groups: set[str]) -> str:
    """The form of most texts."""
    wholes = [part.body.split(mark)[0] for part in parts]
    long = [w for w in wholes if sum(c.isdigit() for c in w) > 3]
    used = [next(c for c in w if not c.isdigit()) for w in long if not w.isdigit()] if groups else []
    group = used[0] if 2 * len(used) > len(long) else ""
    lakh = bool(group) and any(re.search(r"\d\D\d\d\D\d\d\d$", w) for w in wholes)
    body = group.join(("12", "34", "567") if lakh else ("1", "234", "567")) + f"{mark}5"
    parts = [part for part in parts if any(part.unit)] or parts
    around = Counter(part.around for part in parts if not part.negative).most_common(1)
    below = Counter(part.around for part in parts if part.negative).most_common(1)
    if around and "+" in around[0][0]:
        return around[0][0].replace("+", "±").format(body)
    form = (below[0][0] if below else f"-{around[0][0]}").format(body)
    return "" if form == "-1234567.5" else form


class _Style(NamedTuple):
    """A form taken apart."""

    mark: str
    group: str
    lakh: bool
    positive: str
    negative: str
    unit: tuple[str, str]


@cache
def _style(form: str) -> _Style:
    match = TEXT.fullmatch(form or "-1234567.5")
    assert match is not None, form
    body, around = match["body"], f"{match['before']}{{}}{match['after']}"
    group = next((c for c in body[:-2] if not c.isdigit()), "")
    positive = around.replace("±", "+") if "±" in around else re.sub(f"(?<![.,])[(){SIGNS}]", "", around).strip(BLANKS)
    unit = (_without_signs(match["before"]), _without_signs(NO_CENTS.sub("", match["after"])))
    lakh = bool(group) and body.startswith(f"12{group}34{group}")
    return _Style(body[-2], group, lakh, positive, around.replace("±", "-"), unit)


def is_form(form: str) -> bool:
    """Whether `spell` knows a form."""
    return not form or (TEXT.fullmatch(form) is not None and not set(form) & set("{}"))


def spell(plain: str, form: str) -> str:
    """A number as programs write it, in a form.

    >>> spell("-829.69", "($1,234,567.5)"), spell("1234.50", "-1.234.567,5 €")
    ('($829.69)', '1.234,50 €')
    """
    if not form:
        return plain
    style = _style(form)
    whole, point, part = plain.removeprefix("-").partition(".")
    if style.group and whole.isdigit():
        head, last = whole[:-3], whole[-3:]
        width = 2 if style.lakh else 3
        parts = [head[max(0, end - width) : end] for end in range(len(head), 0, -width)][::-1]
        whole = style.group.join([*parts, last])
    around = style.negative if plain.startswith("-") else style.positive
    return around.format(whole + (style.mark if point else "") + part)


def plain_text(text: str, form: str) -> str | None:
    """A number in a form, or as programs write numbers, as programs write it; None if it is neither.

    >>> plain_text("1.234,50 €", "-1.234.567,5 €"), plain_text("1234.5", "-1.234.567,5 €"), plain_text("1,5", "")
    ('1234.50', '1234.5', None)
    """
    style, part = _style(form), _part(text)
    if form and part is not None and part.unit in (("", ""), style.unit):
        body = part.body.translate(ALIKE)
        found = _plain([body], style.mark, set(re.sub("[0-9eE+-]", "", body)) - {style.mark})
        if found is not None:
            return f"-{found[0]}" if part.negative else found[0]
    return text if NUMBER.fullmatch(text) else None


def plain_texts(texts: Sequence[str], form: str, *, whole: bool) -> list[str | None]:
    """`plain_text` of a column, all of them as programs write numbers where that is possible; `whole` numbers with
    points between groups of digits come before numbers of three decimals.
    """
    if all(map(NUMBER.fullmatch, texts)) and not (whole and _style(form).mark == ","):
        return list(texts)
    return [plain_text(text, form) for text in texts]


def is_numeral(text: str) -> bool:
    """Whether a text is a number by itself, in whatever form and unit."""
    part = _part(text)
    return part is not None and (any(part.unit) or read_numerals([text]) is not None)


def is_nothing(text: str) -> bool:
    """Whether a text is a dash in place of an amount, such as `$ -`."""
    return all(part in BEHIND | DASHES for part in text.split()) and any(part in DASHES for part in text.split())


def readings(text: str) -> set[float]:
    """All numbers that a text could be, whatever its decimal mark."""
    found = [read_numerals([text], mark=mark) for mark in ("." if NUMBER.fullmatch(text) else ".,")]
    return {float(each.plain[0]) for each in found if isinstance(each, Reading)}


def decimal_mark(texts: Sequence[str]) -> str:
    """The decimal mark that a column leaves no doubt about, "" if there is none."""
    if all(map(NUMBER.fullmatch, texts)):
        return "." if any("." in text and not GROUPED.fullmatch(text) for text in texts) else ""
    found = read_numerals(texts)
    if not isinstance(found, Reading) or not any("." in plain for plain in found.plain):
        return ""
    other = read_numerals(texts, mark="," if _style(found.form).mark == "." else ".")
    return _style(found.form).mark if other is None else ""
