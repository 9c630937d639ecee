"""What jaxtyping's import hook puts around every annotated function while tests run: its types and shapes are checked.

Each check is built when its function is first called, as few of some thousand are in any one process.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, Self, get_args

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, install_import_hook

checking = True  # a test may turn it off that adds what annotations do not know
shaped = jaxtyping.jaxtyped
checked = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=TypeError))  # an int is a fine float


def check_when_called(package: str) -> None:
    """Check the calls of all functions of a package that is not imported yet."""
    jaxtyping.jaxtyped = lambda *, typechecker: late
    install_import_hook(package, "tests.shapes.checked")


def late(thing: Any) -> Any:
    """A function, or the constructor of a data class, with its checks; what mentions Self has none, since beartype
    resolves that only where it decorates whole classes."""
    if dataclasses.is_dataclass(thing) and not hasattr(thing.__init__, "__wrapped__"):
        thing.__init__ = late(thing.__init__)
    if not isinstance(thing, FunctionType) or Self in thing.__annotations__.values():
        return thing
    built: list[Callable] = []

    @functools.wraps(thing)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not checking:
            return thing(*args, **kwargs)
        if not built:
            built.append(_build(thing))
        return built[0](*args, **kwargs)

    return call


def _build(function: FunctionType) -> Callable:
    """Sizes bound by name take jaxtyping some time in every call: only where there are some."""
    if inspect.isgeneratorfunction(function) or any(map(_has_shape, function.__annotations__.values())):
        return shaped(function, typechecker=checked)
    return checked(function)


def _has_shape(annotation: Any) -> bool:
    if isinstance(annotation, str) or (isinstance(annotation, type) and issubclass(annotation, AbstractArray)):
        return True
    return any(map(_has_shape, get_args(annotation)))
