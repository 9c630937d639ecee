"""What verbs put on standard output."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genwright.errors import ArgumentError

if TYPE_CHECKING:
    from genwright.data.dataset import Dataset, Field
    from genwright.model.generator import Generator


def print_json(value: Any) -> None:
    """JSON on standard output; numbers that are not finite become null, as JSON has no word for them."""
    text = json.dumps(_finite(value), ensure_ascii=False, indent=1)
    click.echo(text.encode("utf-8", "backslashreplace"))  # lone surrogates as JSON escapes them


def print_dataset(data: "Dataset", *, facts: Mapping[str, Any] | None) -> None:
    """Tables as CSV, text as JSON lines; with `facts`, these and the records as one JSON object; raises for images."""
    from genwright.data.media import KINDS
    from genwright.data.write import written

    kind = KINDS[data.kind]
    if kind.folder is not None:
        what = f"{kind.many} do not go to standard output"
        raise ArgumentError(what, where="--out", hint="give a folder: --out fake/")
    text = written(data, kind.suffix if facts is None else ".jsonl")[0].decode("utf-8", "surrogateescape")
    if facts is None:
        click.echo(text, nl=False)
    else:
        print_json({**facts, "records": [json.loads(line) for line in text.split("\n") if line]})


def save(generator: "Generator", folder: Path) -> None:
    """The generator with its card."""
    from genwright.report.card import model_card
    from genwright.storage import write_text

    generator.save(folder)
    write_text(folder / "README.md", model_card(generator))


def _finite(value: Any) -> Any:
    """`value` with None for NaN and infinities, and plain numbers for numpy's."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def check_output(out: str | None, generator: "Generator") -> None:
    """Raise, before anything is drawn for it, where `--out` cannot be written."""
    from genwright.data.sql import is_url
    from genwright.data.write import check_target

    if out is not None and not is_url(out):
        check_target(Path(out), _written(out, generator))


def as_written(fake: "Dataset", out: str | None, generator: "Generator") -> "Dataset":
    """Samples as a file holds them: captions without the pictures that they were given, which only folders keep."""
    from genwright.data.dataset import ARRAYS

    shown = _written(out, generator)
    if shown is None or fake.media is None or fake.media.name == shown.name or shown.name not in fake.columns:
        return fake
    return fake.select([f.name for f in fake.fields if not isinstance(f, ARRAYS)])


def _written(out: str | None, generator: "Generator") -> "Field | None":
    """The medium of what is written: that which is modelled, or where a folder keeps all the first that there is."""
    from genwright.data.dataset import media_of

    first = media_of(generator.codec.fields)
    return first if out is not None and not Path(out).suffix else generator.codec.field or first
