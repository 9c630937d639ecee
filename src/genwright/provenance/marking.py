"""Which models are marked without being asked, and which marks of one's own keys a file bears."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genwright.errors import ArgumentError, GenwrightError, MissingDependencyError
from genwright.provenance.keys import Keys
from genwright.storage import json_text, read_json, write_text

if TYPE_CHECKING:
    from genwright.codecs.tokenizers import Tokenizer
    from genwright.families.sampling import Sampling
    from genwright.model.generator import Generator

LONG = 200  # tokens of a text above which it is marked without being asked
THRESHOLD = 1e-5  # of the p-value below which a file counts as marked
TOKENIZERS = "tokenizers"  # in the folder of keys: how texts that were marked are split
TEXTS = (".txt", ".jsonl")
LARGEST = 1 << 22  # bytes of text that are looked through


def marked_by_default(model: "Generator", how: "Sampling", folder: Path | None) -> tuple["Generator", tuple[str, ...]]:
    """The model, marked with the keys that are found if it writes texts of more than LONG tokens, and notes."""
    from genwright.codecs.text import reads_text
    from genwright.families.capabilities import settled
    from genwright.provenance.text_mark import marked

    if not model.can.streams or not reads_text(model.codec):
        return model, ()
    how = settled(model.family, model.codec.space, how, model.how)
    if (how.max_tokens or model.codec.length) <= LONG:
        return model, ()
    if how.temperature == 0 or how.top_k == 1 or how.beams is not None:
        return model, ("not marked: only the likeliest text is asked for, which leaves no choice to mark",)
    try:
        keys, made = Keys.found(folder)
    except MissingDependencyError as error:
        return model, (f"not marked: {error.what} ({error.hint})",)
    except GenwrightError as error:
        if folder is not None or "cannot write" not in error.what:
            raise
        return model, (f"not marked: no keys can be made in {error.where}; give a folder of keys with keys=DIR",)
    remember(model.codec.tokenizer, keys)
    return marked(model, keys.mark), () if made is None else (made,)


def again_marked(model: "Generator", mark: str | None, folder: Path | None) -> "Generator":
    """The model with the mark that records bear which are to be drawn again; ArgumentError for one of other keys."""
    from genwright.provenance.text_mark import TextMark, marked

    if mark is None:
        return model
    keys = Keys.found(folder)[0]
    if TextMark(keys.mark).id != mark:
        what = f"the records bear the watermark {mark}, which is not that of the keys"
        raise ArgumentError(what, where=str(keys.folder), hint="give the keys that they were drawn with: keys=DIR")
    return marked(model, keys.mark)


def remember(tokenizer: "Tokenizer", keys: Keys) -> None:
    """Keep beside the keys how marked texts are split, without which their mark is not found."""
    text = json_text(tokenizer.to_json())
    path = keys.folder / TOKENIZERS / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not path.is_file():
        write_text(path, text)


def mark_in(path: Path, raw: bytes, keys: Keys) -> tuple[float | None, tuple[str, ...]]:
    """The probability that an unmarked file looks so much like one with the keys' mark; None, and why, if unknown."""
    from genwright.provenance.text_mark import find

    if path.suffix.lower() not in TEXTS:
        return None, ()
    known = list(_tokenizers(keys))
    if not known:
        return None, ("no text was marked with these keys yet",)
    if len(raw) > LARGEST:
        return None, (f"longer than {LARGEST:,} bytes: not looked through for a mark",)
    looks = [(texts, tokenizer) for texts in _readings(path, raw) for tokenizer in known]
    found = [p for p in (find(texts, keys.mark, tokenizer).p_value for texts, tokenizer in looks) if p is not None]
    if not found:
        return None, ("too short to tell whether it is marked",)
    return min(1.0, len(looks) * min(found)), ()


def _tokenizers(keys: Keys) -> Iterator["Tokenizer"]:
    """Those of marked texts."""
    from genwright.codecs.tokenizers import tokenizer_from_json

    for path in sorted((keys.folder / TOKENIZERS).glob("*.json")):
        yield tokenizer_from_json(read_json(path), where=str(path))


def _readings(path: Path, raw: bytes) -> list[list[str]]:
    """The texts that a file may hold: the strings of JSON lines; else its lines, or all of it as one."""
    text = raw.decode("utf-8", "replace")
    if path.suffix.lower() == ".jsonl":
        lines = [_parsed(line) for line in text.split("\n") if line.strip()]
        return [[value for line in lines for value in line.values() if isinstance(value, str)]]
    return [[line for line in text.split("\n") if line.strip()], [text]]


def _parsed(line: str) -> dict[str, Any]:
    """A line of JSON; nothing where it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
