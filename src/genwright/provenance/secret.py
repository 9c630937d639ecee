"""The secret that marks are made of: checked, and parted into keys for each kind of mark."""

import hashlib
import hmac

from genwright.errors import ArgumentError

SHORTEST = 16  # bytes
LETTERS = 8  # different bytes at least: zeros and patterns are what people try out with


def checked_secret(secret: bytes, *, where: str = "key") -> bytes:
    """The secret, if it may be one; ArgumentError for what others could guess.

    >>> checked_secret(b"secret")
    Traceback (most recent call last):
    ...
    genwright.errors.ArgumentError: key: not a secret: 16 random bytes or more are
      hint: make one with `genwright keys new --out DIR`, or secrets.token_bytes(32)
    """
    if len(secret) < SHORTEST or len(set(secret)) < LETTERS:
        hint = "make one with `genwright keys new --out DIR`, or secrets.token_bytes(32)"
        raise ArgumentError(f"not a secret: {SHORTEST} random bytes or more are", where=where, hint=hint)
    return secret


def derived(secret: bytes, purpose: str) -> bytes:
    """The key for one purpose, from which neither the secret nor other keys follow."""
    return hmac.digest(checked_secret(secret), purpose.encode(), "sha256")


def mark_id(secret: bytes, scheme: str) -> str:
    """What tells marks of this secret from others, and tells nothing of the secret."""
    return f"{scheme}:{hashlib.sha256(derived(secret, f'id of {scheme}')).hexdigest()[:16]}"
