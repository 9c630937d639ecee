"""CSV by Arrow: what it reads is what is read row by row, and what it would read otherwise is left to that."""

import numpy as np
import pytest

from genwright.data import delimited, plain
from genwright.data.delimited import parse_delimited
from genwright.data.table import ALL, Part, missing_marks
from genwright.errors import DataError

NOTHING = missing_marks([-1])
HEAD, ROWS = b"a,b,c\n", b"1,x,2024-01-05\n2,y,NA\n"
FAST = {
    "plain": HEAD + ROWS * 5,
    "blank lines, blanks around values, no last line end": HEAD + ROWS * 2 + b"\n\n 3 , z,\n\n-1,y,?",
    "carriage returns": (HEAD + ROWS * 4).replace(b"\n", b"\r\n"),
    "byte-order mark": b"\xef\xbb\xbf" + HEAD + ROWS * 4,
    "semicolons": (HEAD + ROWS * 4).replace(b",", b";") + b"1,5;x;2,5\n",
    "a line end in a cell that needs its marks": HEAD + ROWS * 3 + b'4,"two\nlines",x\n5,"b, c",y\n',
    "marks without need": b'"a","b","c"\n' + b'"1","x","2024"\n2,"say ""yes""",\n' * 4,
    "letters of all kinds": HEAD + "1,é,日本\n".encode() * 6,
}
SLOW = {
    "words that look like nothing": HEAD + ROWS * 3 + b'3,"NA",x\n4,NA,y\n',
    "a word with blanks": HEAD + ROWS * 3 + b'3," x ",x\n4,x,y\n',
    "an empty word": HEAD + ROWS * 3 + b'3,"",x\n4,,y\n',
    "line ends of old": (HEAD + ROWS * 4).replace(b"\n", b"\r"),
    "a mark within a cell": HEAD + ROWS * 3 + b'3,5"6,x\n',
    "letters after a mark": HEAD + ROWS * 3 + b'3,"x"y,x\n',
    "letters after an empty word": HEAD + ROWS * 3 + b'3,""y,x\n',
    "a mark without its other": HEAD + ROWS * 3 + b'3,"y,x\n',
    "a cell too many": HEAD + ROWS * 3 + b"3,4,5,6\n",
    "a cell too few": HEAD + ROWS * 3 + b"3,4\n" + ROWS,
    "Latin-1": HEAD + b"1,\xe9,2\n" * 6,
}


@pytest.fixture
def ways(monkeypatch):
    """Reads row by row, and as it comes, and says which of the two the latter was."""
    monkeypatch.setattr(delimited, "CHUNK", 2)
    monkeypatch.setattr(plain, "BLOCK", 256)
    found = []

    def both(raw, part=ALL):
        def watched(*args, **named):
            found.append(plain.read_plain(*args, **named))
            return found[-1]

        results = []
        for way in (lambda *args, **named: None, watched):
            monkeypatch.setattr(delimited, "read_plain", way)
            try:
                table = delimited.read_delimited(delimited.Stream.of(raw, "t.csv"), missing=NOTHING, part=part)
                results.append([(c.name, c.codes.tolist(), c.texts) for c in table.columns] + [table.notes])
            except DataError as error:
                results.append([(error.what, error.where, error.hint)])
        assert results[0] == results[1]
        return bool(found and found[-1])

    return both


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_cells_and_errors_are_those_of_reading_row_by_row(ways, name):
    assert ways((FAST | SLOW)[name]) == (name in FAST)


def test_random_cells_are_read_the_same(ways):
    rng, pieces = np.random.default_rng(0), ["a", " ", '"', '""', ",", "\n", "\r\n", "NA", "1.50", ";", "é", "-1", ""]
    fast = 0
    for _ in range(120):
        rows = [",".join("".join(rng.choice(pieces[-6:], 2)) for _ in range(3)) for _ in range(8)]
        odd = "".join(rng.choice(pieces, 4)) if rng.random() < 0.6 else ""
        raw = "\n".join(["u,v,w", *rows[:6], *([f"q,{odd},r"] if odd else []), *rows[6:]])
        fast += ways(raw.encode())
    assert 30 < fast < 110  # both are tried


def test_the_same_rows_are_drawn(ways):
    raw = HEAD + b"".join(b"%d,x%d,y\n" % (i, i % 7) for i in range(100, 400))
    assert ways(raw, Part(50, 3))
    assert parse_delimited(raw, where="t", missing=NOTHING).names == ["a", "b", "c"]
