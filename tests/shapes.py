"""The checker that jaxtyping's import hook puts around every annotated function while tests run."""

from collections.abc import Callable
from typing import Self, TypeVar

from beartype import beartype

Function = TypeVar("Function", bound=Callable)


def checked(function: Function) -> Function:
    """`function` with its argument and result types and shapes checked; methods that mention Self are left alone,
    since beartype resolves it only where it decorates whole classes."""
    hints = getattr(function, "__annotations__", {}).values()
    return function if Self in hints else beartype(function)
