"""Amounts in texts taken apart: digits of any script, signs, currencies and units, multiples, sides of an account."""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

BLANKS = " \N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}"
QUOTES = "'\N{RIGHT SINGLE QUOTATION MARK}"
SIGNS = "\N{MINUS SIGN}\N{EN DASH}-"
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
MULTIPLES = {
    word: power
    for power, words in {
        3: "k K Tsd Tsd. thousand", 5: "lakh", 6: "M m mn mln Mio Mio. million", 7: "crore",
        9: "B b bn Bn mld Mrd Mrd. billion", 12: "T tn trillion",
    }.items()
    for word in words.split()
}  # fmt: skip
UNITS_TOO = frozenset({"m", "b", "B"})  # multiples that beside bare numbers are units: metres, bytes
TAIL_WORDS = "|".join(map(re.escape, sorted(MULTIPLES, key=len)[::-1]))
TAIL = re.compile(rf"[{BLANKS}]?(?P<word>{TAIL_WORDS})(?![^{BLANKS}()$€£¥₹{SIGNS}])")
SIDE = re.compile(rf"[{BLANKS}]?(?P<word>[DC]R|[DC]r|[dc]r)\.?$")  # debit and credit
NATIVE = re.compile(r"(?![0-9])\d")
WESTERN = str.maketrans("٫٬٪．，％－＋￥＄（）", ".,%.,%-+¥$()")  # marks that go with digits of other scripts
BEFORE, BEHIND = frozenset(CURRENCIES.split()), frozenset(f"{CURRENCIES} {UNITS}".split())


class Part(NamedTuple):
    """A text taken apart: digits with their marks, whether they are negative, all around them, and the unit in it;
    and around and unit without the multiple, or the side of an account, that they end in.
    """

    body: str
    negative: bool
    around: str
    unit: tuple[str, str]
    odd: bool  # in brackets, or with the sign at the end
    tail: str = ""
    bare_around: str = ""
    bare_unit: tuple[str, str] = ("", "")

    @property
    def word(self) -> str:
        return self.tail.strip(BLANKS + ".") if SIDE.fullmatch(self.tail) else self.tail.strip(BLANKS)

    @property
    def power(self) -> int:
        return MULTIPLES.get(self.word, 0)


def part_of(text: str) -> Part | None:
    match = TEXT.fullmatch(western(text.strip()))
    if match is None or "+" in match["after"]:
        return None
    behind = NO_CENTS.sub("", match["after"], count=1)
    before, after = without_signs(match["before"]), without_signs(behind)
    signs = "".join(c for c in match["before"] + behind if c in f"+(){SIGNS}")
    tail = TAIL.match(match["after"]) or SIDE.search(match["after"])
    bare = match["after"] if tail is None else match["after"][: tail.start()] + match["after"][tail.end() :]
    bare_after = without_signs(bare)
    word = behind[:1] in BLANKS and WORD.fullmatch(after) is not None
    if (signs and signs not in ("()", "+", *SIGNS)) or (before and before not in BEFORE):
        return None
    known = not after or after in BEHIND or word or (tail is not None and (not bare_after or bare_after in BEHIND))
    if not known or CODED.search(match["before"]):
        return None
    around = f"{match['before']}{{}}"
    odd = signs == "()" or any(c in SIGNS for c in behind)
    part = Part(match["body"], signs not in ("", "+"), around + match["after"], (before, after), odd)
    return part._replace(tail=tail[0] if tail else "", bare_around=around + bare, bare_unit=(before, bare_after))


def with_tails(parts: Sequence[Part]) -> tuple[list[Part], str]:
    """Parts by what their tails mean, and that: "multiples", "sides" of an account, else "": units like any other.

    One multiple in all rows is a unit, and so are metres beside bare numbers; CR beside bare numbers is negative.
    """
    words, first = {part.word for part in parts}, {part.tail[:1] for part in parts if part.word}
    told, sides = words - {""}, {word.upper() for word in words - {""}}
    if sides == {"DR", "CR"} or ("" in words and (told == {"DR"} or told == {"CR"})):
        minus = "DR" if "DR" in sides else "CR"
        if not any(part.negative for part in parts):
            return [p._replace(negative=p.word.upper() == minus, unit=p.bare_unit) for p in parts], "sides"
    spaced = any(len(word) == 1 for word in told) and not first.isdisjoint(BLANKS)
    beside = "" in words and not told <= UNITS_TOO and not spaced
    if told and told <= set(MULTIPLES) and (len(told) > 1 or beside) and not {"m", "M"} <= told:
        return [p._replace(unit=p.bare_unit, around=p.bare_around) for p in parts], "multiples"
    return [part._replace(tail="") for part in parts], ""


def scaled(plain: str, part: Part) -> str:
    """A number with its multiple and sign."""
    plain = format(Decimal(plain).scaleb(part.power), "f") if part.power else plain
    return f"-{plain}" if part.negative else plain


def western(text: str) -> str:
    """With digits and marks as 0 to 9 have them.

    >>> western("١٬٢٣٤٫٥"), western("１２％")
    ('1,234.5', '12%')
    """
    if NATIVE.search(text) is None:
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text).translate(WESTERN)


def script_of(text: str) -> dict[int, str]:
    """What turns 0 to 9 and their marks into those of a text in another script."""
    digit = NATIVE.search(text)
    if digit is None:
        return {}
    zero = ord(digit[0]) - unicodedata.decimal(digit[0])
    marks = {WESTERN[ord(c)]: c for c in text if ord(c) in WESTERN}
    return {ord("0") + i: chr(zero + i) for i in range(10)} | marks


def without_signs(text: str) -> str:
    return re.sub(f"[()+±{SIGNS}]", "", text).strip(BLANKS)
