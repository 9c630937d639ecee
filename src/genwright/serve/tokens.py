"""Tokens that callers are known by: read from a file, compared in constant time."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from pathlib import Path

from genwright.errors import ArgumentError

SHORTEST = 16  # characters of a token
MAKE = "python -c 'import secrets; print(secrets.token_urlsafe(32))' > tokens"


def read_tokens(path: Path) -> Mapping[str, bytes]:
    """Hashes of the tokens in a file, one in each line, by what the log calls them; # begins a comment.

    Raises ArgumentError for a file that cannot be read, holds none, or one that is too short to be secret.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "is not UTF-8"
        raise ArgumentError(f"the tokens cannot be read ({what})", where=str(path), hint=MAKE) from None
    tokens = [line.split("#")[0].strip() for line in lines]
    found = {f"token-{i}": token for i, token in enumerate(tokens, 1) if token}
    if not found:
        raise ArgumentError("there is no token in the file", where=str(path), hint=MAKE)
    for name, token in found.items():
        if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
            what = f"line {name.removeprefix('token-')} is no token of at least {SHORTEST} characters without blanks"
            raise ArgumentError(what, where=str(path), hint=MAKE)
    return {name: _hash(token) for name, token in found.items()}


def caller_of(tokens: Mapping[str, bytes]) -> Callable[[str], str | None]:
    """A function that says whose token it is. It takes as long for every token, right or wrong."""

    def caller(token: str) -> str | None:
        given, found = _hash(token), None
        for name, known in tokens.items():
            if hmac.compare_digest(given, known):
                found = name
        return found

    return caller


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
