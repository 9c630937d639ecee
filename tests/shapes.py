"""The checker that jaxtyping's import hook puts around every annotated function while tests run."""

from collections.abc import Callable
from typing import Self, TypeVar

from beartype import BeartypeConf, beartype

Function = TypeVar("Function", bound=Callable)
CONF = BeartypeConf(is_pep484_tower=True)  # an int is a fine float, as everywhere in Python


def checked(function: Function) -> Function:
    """`function` with its argument and result types and shapes checked; methods that mention Self are left alone,
    since beartype resolves it only where it decorates whole classes."""
    hints = getattr(function, "__annotations__", {}).values()
    return function if Self in hints else beartype(conf=CONF)(function)
