"""What writers are given to sign with: files in, signed files out."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from genwright.data.origin import Origin
from genwright.errors import GenwrightError, MissingDependencyError
from genwright.provenance.claims import Maker
from genwright.provenance.envelope import BESIDE, sealed
from genwright.provenance.keys import Keys
from genwright.provenance.media import signed, type_of


@dataclass(frozen=True)
class Signing:
    """Signs files as `write` asks for it: media hold their manifest, beside others it stands in NAME.sig.json.

    >>> import tempfile, genwright as gw
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sign = Signing(Keys.make(Path(folder) / "keys"))
    ...     notes = gw.write(gw.read("wine").take(slice(5)), Path(folder) / "wine.csv", signer=sign)
    ...     sorted(path.name for path in Path(folder).glob("wine*"))
    ['wine.csv', 'wine.csv.sig.json']
    """

    keys: Keys
    maker: Maker = field(default_factory=Maker)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __call__(self, name: str, raw: bytes, origin: Origin | None) -> dict[str, bytes]:
        """The files to write in place of one of this name and content."""
        told = self.maker.told(origin)
        if type_of(name) is None:
            return {name: raw, name + BESIDE: sealed(raw, name, told, self.keys)}
        with self.lock:
            return {name: signed(raw, name, told, self.keys)}


def signing(
    folder: Path | None, *, run: Path | None = None, mark: str | None = None
) -> tuple[Signing | None, tuple[str, ...]]:
    """What signs with the keys in `folder` (else those of `Keys.found`) what the model in `run` makes, and notes.

    None, and a note that says why, without the packages for it or where no keys can be made; keys that were asked for
    and cannot be used are an error.
    """
    try:
        keys, made = Keys.found(folder)
    except MissingDependencyError as error:
        if folder is not None:
            raise
        return None, (f"not signed: {error.what} ({error.hint})",)
    except GenwrightError as error:
        if folder is not None or not isinstance(error, GenwrightError) or "cannot write" not in error.what:
            raise
        return None, (f"not signed: no keys can be made in {error.where}; give a folder of keys with keys=DIR",)
    notes = tuple(note for note in (made, keys.warning()) if note is not None)
    return Signing(keys, Maker() if run is None else Maker.of(run, mark=mark)), notes
