"""A family as JSON and back: its name and its fields, functions by their dotted name inside genwright."""

import dataclasses
import importlib
import inspect
from typing import Any

from genwright.errors import ArgumentError, StorageError
from genwright.families import FAMILIES
from genwright.families.family import Family

FUNCTION_HOMES = ("genwright.maths.", "genwright.nets.", "genwright.families.")


def check_family(family: Any, *, where: str) -> None:
    """Raise unless `family` is a recipe, such as `Mixture()`: its class or its name is not.

    >>> check_family("mixture", where="fit")
    Traceback (most recent call last):
    genwright.errors.ArgumentError: fit: family='mixture' is not a family of models
      hint: give an object: family=genwright.Mixture()
    """
    if isinstance(family, Family):
        return
    name = family.lower() if isinstance(family, str) else getattr(family, "name", None)
    meant = next((f.__name__ for key, f in FAMILIES.items() if name in (key, f.__name__.lower())), "Mixture")
    shown = family.__name__ if isinstance(family, type) else repr(family)
    hint = f"give an object: family=genwright.{meant}()"
    raise ArgumentError(f"family={shown} is not a family of models", where=where, hint=hint)


def recipe_to_json(family: Family) -> dict[str, Any]:
    """`{"family": name, "fields": {...}}`."""
    fields = {f.name: _to_json(getattr(family, f.name)) for f in dataclasses.fields(family)}
    return {"family": family.name, "fields": fields}


def recipe_from_json(recipe: dict[str, Any]) -> Family:
    """The family that `recipe_to_json` described; unknown names or fields are a StorageError."""
    try:
        cls = FAMILIES[recipe["family"]]
        return cls(**{name: _from_json(value) for name, value in recipe["fields"].items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise StorageError(
            f"this recipe is not one that this version can rebuild ({error})",
            where="recipe.json",
            hint="it may come from a newer genwright: upgrade, or fit again",
        ) from None


def _to_json(value: Any) -> Any:
    if inspect.isfunction(value):
        return {"function": f"{value.__module__}.{value.__qualname__}"}
    if isinstance(value, tuple):
        return {"tuple": [_to_json(each) for each in value]}
    assert value is None or isinstance(value, (bool, int, float, str)), f"not a recipe value: {value!r}"
    return value


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_from_json(each) for each in value["tuple"])
    module, _, name = value["function"].rpartition(".")
    # Only public functions defined in these packages can be named, so a recipe cannot call anything else.
    if not f"{module}.".startswith(FUNCTION_HOMES) or name.startswith("_"):
        raise KeyError(value["function"])
    function = getattr(importlib.import_module(module), name)
    if not inspect.isfunction(function) or function.__module__ != module:
        raise KeyError(value["function"])
    return function
