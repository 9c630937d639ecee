"""Values out of JSON, held against the types that they are to have: what was read is hostile until this has passed it.

The types are those that dataclasses are annotated with; what a type cannot say, constructors say by ArgumentError.
"""

import dataclasses
import functools
import math
import reprlib
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, Union, cast

from genwright.errors import ArgumentError, GenwrightError, StorageError

DAMAGED = "the file is damaged, or of a newer genwright"
LARGEST = 2**63  # whole numbers at and beyond it fit no array
SHOWN = 60  # characters of a wrong value

_hints = functools.cache(typing.get_type_hints)
shown = reprlib.Repr()
shown.maxstring = shown.maxother = SHOWN

Kind = TypeVar("Kind")


def typed(value: Any, kind: Any, *, where: str) -> Any:
    """`value` as `kind`: a plain type, a Literal, a union, a tuple, a mapping, or a dataclass of such; lists become
    tuples. Raises StorageError that names the place within `where`.

    >>> typed([1, 2.5], tuple[float, ...], where="scores")
    (1.0, 2.5)
    >>> typed({"scores": [1, "2"]}, dict[str, tuple[float, ...]], where="codec.json")
    Traceback (most recent call last):
    genwright.errors.StorageError: codec.json, scores, 2: '2' is not a number
      hint: the file is damaged, or of a newer genwright
    """
    return _typed(value, kind, where)


def made(kind: Callable[..., Kind], told: Any, *, where: str) -> Kind:
    """The dataclass `kind` of what an object told, all typed; further keys, and missing ones, are a StorageError."""
    given = _typed(told, dict, where)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in given.keys() - fields.keys():
        raise wrong(f"{name!r:.{SHOWN}} is unknown", where)
    for name, field in fields.items():
        if name not in given and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise wrong(f"{name!r} is missing", where)
    kinds = _hints(kind)
    return sound(kind, {name: _typed(each, kinds[name], f"{where}, {name}") for name, each in given.items()}, where)


def entry(values: Mapping[str, Any], name: str, kind: Any, *, where: str) -> Any:
    """What an object that was read has under `name`, typed."""
    if name not in values:
        raise wrong(f"{name!r} is missing", where)
    return typed(values[name], kind, where=f"{where}, {name}")


def sound(build: Callable[..., Kind], values: Mapping[str, Any], where: str) -> Kind:
    """What `build` makes of `values`; its ArgumentError becomes a StorageError."""
    try:
        return build(**values)
    except ArgumentError as error:
        raise wrong(error.what, where) from error


@contextmanager
def by_hand(kind: type[GenwrightError], *, hint: str) -> Iterator[None]:
    """What is wrong with a file that people write themselves is an error of this `kind`, with a hint how to do it."""
    try:
        yield
    except StorageError as error:
        told = getattr(error.__cause__, "hint", "") or hint
        raise kind(error.what, where=error.where, hint=told) from None


def wrong(what: str, where: str) -> StorageError:
    """The error for a file that does not hold what it must."""
    return StorageError(what, where=where, hint=DAMAGED)


def require(holds: bool, what: str) -> None:
    """Raise ArgumentError unless it holds; for constructors."""
    if not holds:
        raise ArgumentError(what)


def _typed(value: Any, kind: Any, where: str) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _either(value, inner, where)
    if origin is Literal:
        return value if isinstance(value, str) and value in inner else _refuse(value, f"one of {inner}", where)
    if origin is tuple or kind is tuple:
        return _tuple(value, inner, where)
    if (origin or kind) in (dict, Mapping):
        if not isinstance(value, dict):
            return _refuse(value, "an object", where)
        return {name: _typed(each, inner[1], f"{where}, {name}") for name, each in value.items()} if inner else value
    if dataclasses.is_dataclass(kind):
        if isinstance(value, cast(type, kind)):
            return value  # made already
        return made(cast(Any, kind), value, where=where)
    if origin is Callable or kind is Callable:
        return value if callable(value) else _refuse(value, "a function", where)
    return _plain(value, kind, where)


def _plain(value: Any, kind: Any, where: str) -> Any:
    if kind is float:
        number = type(value) in (int, float) and abs(value) <= (LARGEST if type(value) is int else math.inf)
        return float(value) if number else _refuse(value, "a number", where)
    if kind is int:
        whole = type(value) is int and abs(value) < LARGEST
        return value if whole else _refuse(value, "a whole number of 64 bits", where)
    if kind in (type(None), bool):
        return value if type(value) is kind else _refuse(value, "true or false" if kind is bool else "null", where)
    assert kind is str, f"no values of {kind} in JSON"
    return value if isinstance(value, str) else _refuse(value, "text", where)


def _either(value: Any, kinds: tuple[Any, ...], where: str) -> Any:
    """As the first of several types that it has; told of the first that is not None."""
    if value is None and type(None) in kinds:
        return None
    errors = []
    for kind in kinds:
        if kind is not type(None):
            try:
                return _typed(value, kind, where)
            except StorageError as error:
                errors.append(error)
    raise errors[0]


def _tuple(value: Any, inner: tuple[Any, ...], where: str) -> Any:
    if not isinstance(value, list | tuple):
        return _refuse(value, "a list", where)
    if not inner:
        return tuple(value)
    if inner[-1] is ...:
        inner = (inner[0],) * len(value)
    if len(inner) != len(value):
        return _refuse(value, f"a list of {len(inner)}", where)
    return tuple(_typed(each, kind, f"{where}, {i}") for i, (each, kind) in enumerate(zip(value, inner), start=1))


def _refuse(value: Any, what: str, where: str) -> Any:
    huge = type(value) is int and abs(value) >= LARGEST
    raise wrong(f"{'a huge number' if huge else shown.repr(value)[:SHOWN]} is not {what}", where)
