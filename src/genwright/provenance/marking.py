"""Which models are marked without being asked, and which marks of one's own keys a file bears."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genwright.errors import ArgumentError, GenwrightError, MissingDependencyError
from genwright.provenance.keys import Keys
from genwright.provenance.media import type_of
from genwright.storage import json_text, read_json, write_text

if TYPE_CHECKING:
    from genwright.codecs.tokenizers import Tokenizer
    from genwright.families.sampling import Sampling
    from genwright.model.generator import Generator

THRESHOLD = 1e-5  # of the p-value below which a file counts as marked
TOKENIZERS = "tokenizers"  # in the folder of keys: how texts that were marked are split
TEXTS = (".txt", ".jsonl")
WIDEST = 4096  # pixels of a side of pictures that are looked through
LARGEST = 1 << 22  # bytes of text that are looked through


def marked_by_default(model: "Generator", how: "Sampling", folder: Path | None) -> tuple["Generator", tuple[str, ...]]:
    """The model, marked with the keys that are found where its records are long or large enough, and notes."""
    from genwright.provenance.kinds import mark_of

    mark = mark_of(model)
    due, why = (False, None) if mark is None else mark.due(model, how)
    if mark is None or not due:
        return model, () if why is None else (why,)
    try:
        keys, made = Keys.found(folder)
    except MissingDependencyError as error:
        return model, (f"not marked: {error.what} ({error.hint})",)
    except GenwrightError as error:
        if folder is not None or "cannot write" not in error.what:
            raise
        return model, (f"not marked: no keys can be made in {error.where}; give a folder of keys with keys=DIR",)
    if (tokenizer := getattr(model.codec, "tokenizer", None)) is not None:
        remember(tokenizer, keys)
    return mark.marked(model, keys.mark), () if made is None else (made,)


def again_marked(model: "Generator", mark: str | None, folder: Path | None) -> "Generator":
    """The model with the mark that records bear which are to be drawn again; ArgumentError for one of other keys."""
    from genwright.model.reproduce import mark_of
    from genwright.provenance.kinds import marked

    if mark is None:
        return model
    keys = Keys.found(folder)[0]
    again = marked(model, keys.mark)
    if mark_of(again) != mark:
        what = f"the records bear the watermark {mark}, which is not that of the keys"
        raise ArgumentError(what, where=str(keys.folder), hint="give the keys that they were drawn with: keys=DIR")
    return again


def remember(tokenizer: "Tokenizer", keys: Keys) -> None:
    """Keep beside the keys how marked texts are split, without which their mark is not found."""
    text = json_text(tokenizer.to_json())
    path = keys.folder / TOKENIZERS / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not path.is_file():
        write_text(path, text)


def mark_in(path: Path, raw: bytes, keys: Keys) -> tuple[float | None, tuple[str, ...]]:
    """The probability that an unmarked file looks so much like one with the keys' mark; None, and why, if unknown."""
    from genwright.provenance.text_mark import find

    if (type_of(path.name) or "").startswith("image/"):
        return _picture_mark(raw, keys)
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


def _picture_mark(raw: bytes, keys: Keys) -> tuple[float | None, tuple[str, ...]]:
    """The same of a picture, and what its mark says."""
    from genwright.data.images import pixels_in
    from genwright.provenance.image_mark import SMALLEST, find

    pixels = pixels_in(raw)
    if pixels is None or not SMALLEST <= min(pixels.shape[:2]) <= max(pixels.shape[:2]) <= WIDEST:
        return None, ()
    found = find(pixels, keys.mark)
    said = f"its mark names a model whose weights have a SHA-256 that begins with {found.payload.hex()}"
    return found.p_value, (said,) if found.p_value < THRESHOLD else ()


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
