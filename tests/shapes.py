"""The checker that jaxtyping's import hook puts around every annotated function while tests run."""

import functools
from collections.abc import Callable
from typing import Any, Self, TypeVar

from beartype import BeartypeConf, beartype

Function = TypeVar("Function", bound=Callable)
CONF = BeartypeConf(is_pep484_tower=True)  # an int is a fine float, as everywhere in Python


def checked(function: Function) -> Function:
    """`function` with its argument and result types and shapes checked; methods that mention Self are left alone,
    since beartype resolves it only where it decorates whole classes.

    The check is built when it is first needed: few of some thousand functions run in any one test process.
    """
    if Self in getattr(function, "__annotations__", {}).values():
        return function
    built: list[Callable] = []

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not built:
            built.append(beartype(conf=CONF)(function))
        return built[0](*args, **kwargs)

    return call  # type: ignore[return-value]
