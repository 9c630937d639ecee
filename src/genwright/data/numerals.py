"""Numbers as people write them: decimal marks, groups of digits, currencies, units and signs; read, and written again.

A form is how -1234567.5 is written in it: `-1.234.567,5 €`, `($1,234,567.5)`, in India `-12,34,567.5`; ± in place of
the minus says that positive numbers have a plus, `DR/CR` that they have CR where negative ones have DR. `[|k|M]` behind
the digits lists the multiples that numbers are written in (950, 3.2k, 4M), and a zero before it each decimal that all
of these have. Digits are of the script that is written. The empty form is how programs write: -1234567.5.
"""

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from genwright.data.amounts import (
    BEHIND,
    BLANKS,
    MULTIPLES,
    NO_CENTS,
    QUOTES,
    SIDE,
    SIGNS,
    TEXT,
    Part,
    part_of,
    scaled,
    script_of,
    western,
    with_tails,
    without_signs,
)

NUMBER = re.compile(r"[+-]?([0-9]+\.?([0-9]*)|\.([0-9]+))([eE]([+-]?[0-9]{1,4}))?")
GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+")  # as programs write numbers, but also as people do
ALIKE = str.maketrans(BLANKS + QUOTES, " " * len(BLANKS) + "'" * len(QUOTES))
DASHES = frozenset({"-", "--", "\N{EN DASH}", "\N{EM DASH}", "."})
POINTED = "$ £ ¥ ₹ USD GBP JPY INR CNY AUD NZD HKD SGD US$ A$ NZ$ HK$ S$ CA$ AU$ Rs Rs."  # 1,234 is above one of these
FEW_AMOUNTS = 10  # different ones, up to which a word behind whole numbers makes classes: 3 doors, 5 doors
FEW_CODES = 20  # different ones, from which groups of digits as wide in all rows are codes: 123 456 789


class Reading(NamedTuple):
    """Texts as programs write numbers, the form that they were in, and what was not clear about it."""

    plain: list[str]
    form: str
    notes: tuple[str, ...] = ()
    otherwise: str = ""  # the kind that a schema says to have them read otherwise


class Unclear(NamedTuple):
    """A text that could be two numbers: with a point, or with a comma for the decimal mark."""

    text: str
    pointed: str
    comma: str


def read_numerals(texts: Sequence[str], *, mark: str = "", likely: str = "") -> Reading | Unclear | None:
    """All texts as numbers of one form; None if some are none, or they have several units.

    `mark` is the decimal mark that the user said; `likely` the one where a text could have either.
    """
    parts: list[Part] = []
    for text in texts:
        if (part := part_of(text)) is None:
            return None
        parts.append(part)
    parts, tails = with_tails(parts)
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
    notes, otherwise = _of_tails(texts, parts, found[right], tails)
    if len(found) == 2 and found["."] != found[","]:
        place = next(i for i, pair in enumerate(zip(found["."], found[","], strict=True)) if pair[0] != pair[1])
        right = likely or _likely_mark(bodies, marks, units)
        if not right:
            return Unclear(texts[place], found["."][place], found[","][place])
        notes = (f"{texts[place]!r} is read as {found[right][place]}, its decimal mark being {right!r}",)
        otherwise = "number,comma" if right == "." else "number,point"
    plain = [scaled(p, part) for p, part in zip(found[right], parts, strict=True)]
    form = _native(_form(parts, right, marks - {right}, tails), texts)
    if [spell(p, form) for p in plain] != list(texts):
        like = spell("-1234567.5", form) if tails else form or "-1234567.5"
        notes += (f"numbers are not written alike; they will be as {like}",)
    return Reading(plain, form, notes, otherwise)


def _of_tails(
    texts: Sequence[str], parts: Sequence[Part], plain: Sequence[str], tails: str
) -> tuple[tuple[str, ...], str]:
    """A note that says how the first tail is read, and the kind that has it read otherwise."""
    if not tails:
        return (), ""
    place = next(i for i, part in enumerate(parts) if part.word and (part.negative or tails == "multiples"))
    meant = "a multiple" if tails == "multiples" else "one side of an account"
    return (f"{texts[place]!r} looks like {meant} and is read as {scaled(plain[place], parts[place])}",), "category"


def _native(form: str, texts: Sequence[str]) -> str:
    """A form in the digits and marks of `texts`."""
    return (form or "-1234567.5").translate(back) if (back := script_of("".join(texts))) else form


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


def _are_classes(parts: Sequence[Part], plain: Sequence[str], marks: set[str]) -> bool:
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


def _form(parts: Sequence[Part], mark: str, groups: set[str], tails: str) -> str:
    """The form of most texts."""
    wholes = [part.body.split(mark)[0] for part in parts]
    long = [w for w in wholes if sum(c.isdigit() for c in w) > 3]
    used = [next(c for c in w if not c.isdigit()) for w in long if not w.isdigit()] if groups else []
    group = used[0] if 2 * len(used) > len(long) else ""
    lakh = bool(group) and any(re.search(r"\d\D\d\d\D\d\d\d$", w) for w in wholes)
    body = group.join(("12", "34", "567") if lakh else ("1", "234", "567")) + f"{mark}5"
    if tails == "multiples":
        widths = {len(part.body.partition(mark)[2]) for part in parts if part.word}
        body += "0" * (widths.pop() if len(widths) == 1 else 0)
        ways = Counter(part.tail for part in parts).most_common()
        by_power = {MULTIPLES.get(tail.strip(BLANKS), 0): tail for tail, _ in reversed(ways)}
        body += f"[{'|'.join(by_power[power] for power in sorted(by_power))}]"
    parts = [part for part in parts if any(part.unit)] or parts
    around = Counter(part.around for part in parts if not part.negative).most_common(1)
    below = Counter(part.around for part in parts if part.negative).most_common(1)
    if around and "+" in around[0][0]:
        return around[0][0].replace("+", "±").format(body)
    form = (below[0][0] if below else f"-{around[0][0]}").format(body)
    if tails == "sides" and any(part.word.upper() == "CR" and not part.negative for part in parts):
        form = SIDE.sub(lambda side: f"{side[0]}/{_other(side['word'])}", form)
    return "" if form == "-1234567.5" else form


class _Style(NamedTuple):
    """A form taken apart."""

    mark: str
    group: str
    lakh: bool
    positive: str
    negative: str
    unit: tuple[str, str]
    multiples: tuple[str, ...]
    decimals: int  # that numbers with a multiple have at least
    script: dict[int, str]
    side: str  # of an account that is negative


@cache
def _style(form: str) -> _Style:
    script, form = script_of(form), western(form or "-1234567.5")
    multiples = re.search(r"\[(.*?)\]", form)
    form = form.replace(multiples[0], "") if multiples else form
    both = re.search(rf"/{SIDE.pattern}", form)
    form = form[: both.start()] if both else form
    match = TEXT.fullmatch(form)
    assert match is not None, form
    body, around = match["body"].rstrip("0"), f"{match['before']}{{}}{match['after']}"
    group = next((c for c in body[:-2] if not c.isdigit()), "")
    positive = around.replace("±", "+") if "±" in around else re.sub(f"(?<![.,])[(){SIGNS}]", "", around).strip(BLANKS)
    unit = (without_signs(match["before"]), without_signs(NO_CENTS.sub("", match["after"])))
    side = SIDE.search(form) if positive == around else None
    if side:
        unit = (unit[0], SIDE.sub("", unit[1]))
        positive = SIDE.sub(lambda s: s[0].replace(s["word"], _other(s["word"])) if both else "", around)
    lakh = bool(group) and body.startswith(f"12{group}34{group}")
    return _Style(
        body[-2], group, lakh, positive, around.replace("±", "-"), unit,
        tuple(multiples[1].split("|")) if multiples else (), len(match["body"]) - len(body), script,
        side["word"].upper() if side else "",
    )  # fmt: skip


def _other(side: str) -> str:
    return side.translate(str.maketrans("Dd", "Cc"))


def is_form(form: str) -> bool:
    """Whether `spell` knows a form."""
    plain = re.sub(r"\[.*?\]|/[CDcd][Rr]\.?$", "", western(form))
    return not form or (TEXT.fullmatch(plain) is not None and not set(form) & set("{}"))


def spell(plain: str, form: str) -> str:
    """A number as programs write it, in a form.

    >>> spell("-829.69", "($1,234,567.5)"), spell("1234.50", "-1.234.567,5 €"), spell("3200", "-1234567.5[|k|M]")
    ('($829.69)', '1.234,50 €', '3.2k')
    """
    if not form:
        return plain
    style, multiple = _style(form), ""
    if style.multiples:
        plain, multiple = _divided(plain, style)
    whole, point, part = plain.removeprefix("-").partition(".")
    if style.group and whole.isdigit():
        head, last = whole[:-3], whole[-3:]
        width = 2 if style.lakh else 3
        parts = [head[max(0, end - width) : end] for end in range(len(head), 0, -width)][::-1]
        whole = style.group.join([*parts, last])
    around = style.negative if plain.startswith("-") else style.positive
    return around.format(whole + (style.mark if point else "") + part + multiple).translate(style.script)


def _divided(plain: str, style: _Style) -> tuple[str, str]:
    """A number divided by the largest multiple that it reaches, and that."""
    powers = [MULTIPLES.get(each.strip(BLANKS), 0) for each in style.multiples]
    number = Decimal(plain)
    most = max((i for i, power in enumerate(powers) if abs(number) >= 10**power), default=0)
    whole, _, part = format(number.scaleb(-powers[most]), "f").partition(".")
    part = part.rstrip("0").ljust(style.decimals if powers[most] else 0, "0")
    return f"{whole}.{part}" if part else whole, style.multiples[most]


def plain_text(text: str, form: str) -> str | None:
    """A number in a form, or as programs write numbers, as programs write it; None if it is neither.

    >>> plain_text("1.234,50 €", "-1.234.567,5 €"), plain_text("1234.5", "-1.234.567,5 €"), plain_text("1,5", "")
    ('1234.50', '1234.5', None)
    """
    style, part = _style(form), part_of(text)
    if part is not None and style.multiples:
        part = part._replace(unit=part.bare_unit)
    elif part is not None and style.side:
        part = part._replace(unit=part.bare_unit, negative=part.negative != (part.word.upper() == style.side))
    elif part is not None:
        part = part._replace(tail="")
    if form and part is not None and part.unit in (("", ""), style.unit):
        body = part.body.translate(ALIKE)
        found = _plain([body], style.mark, set(re.sub("[0-9eE+-]", "", body)) - {style.mark})
        if found is not None:
            return scaled(found[0], part)
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
    part = part_of(text)
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
