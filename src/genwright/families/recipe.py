"""A family as JSON and back: its name and its fields, functions by their dotted name inside genwright."""

import dataclasses
import importlib.util
import inspect
from collections.abc import Collection
from typing import Any

from genwright.errors import ArgumentError
from genwright.families import FAMILIES
from genwright.families.family import Family, NetFactory
from genwright.families.sampling import Sampling
from genwright.nets.portable import portable
from genwright.typed import entry, made, typed, wrong

MOVED = {  # from recipes of the first schema to `Sampling`: the old name of each setting, and its name now
    "autoregressive": {name: name for name in ("temperature", "top_k", "top_p", "min_p")},
    "masked diffusion": {"steps": "steps", "temperature": "temperature"},
    "vae": {"temperature": "temperature"},
    "copula": {"balanced": "balanced"},
    "flow": {"sampling_steps": "steps", "sampler": "sampler", "guidance": "guidance"},
    "diffusion": {"sampling_steps": "steps", "sampler": "sampler", "guidance": "guidance"},
}
LATER: dict[str, dict[str, Any]] = {  # fields that recipes have not held from the first, and what they stood at then
    "autoregressive": {
        "kv_heads": None,
        "head_width": None,
        "hidden": None,
        "rope_base": 10_000.0,
        "norm_eps": 1e-6,
        "qk_norm": True,
        "tied": False,
        "dropout": None,
    },
    "vae": {"grid": None},
    "gan": {"minibatch": False, "unroll": 0},
}
NETS: dict[str, NetFactory] = {"portable": portable}  # made by functions of genwright's own, by their names
HOMES = {f"genwright.families.gan.{name}": "genwright.maths.games" for name in ("relativistic", "non_saturating")}
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
    """`{"family": name, "fields": {...}}`, without fields that came later and say nothing new."""
    fields = {f.name: _to_json(getattr(family, f.name)) for f in dataclasses.fields(family)}
    for name, then in ({"net": None} | LATER.get(family.name, {})).items():
        if fields.get(name, "") == then:
            del fields[name]
    return {"family": family.name, "fields": fields}


def recipe_from_json(told: Any, *, where: str = "recipe.json", net: NetFactory | None = None) -> Family:
    """The family that `recipe_to_json` described; unknown names, fields or values are a StorageError.

    `net` is the function that makes its net where that was not the family's own; it is never imported by its name.
    """
    told = typed(told, dict, where=where)
    name, fields = entry(told, "family", str, where=where), entry(told, "fields", dict, where=where)
    if name not in FAMILIES:
        raise wrong(f"a family of unknown name {name!r:.60}", where)
    cls, moved = FAMILIES[name], MOVED.get(name, {})
    fields = LATER.get(name, {}) | {field: value for field, value in fields.items() if field not in moved}
    own = {field.name: field.default for field in dataclasses.fields(cls) if field.name != "net"}
    maker = fields.pop("net", None)
    if maker is not None and net is None:
        net = next((own for own in NETS.values() if _to_json(own) == maker), None)
    if maker is not None and net is None:
        named = entry(maker, "function", str, where=f"{where}, net")
        hint = "give that function: genwright.load(folder, net=...)"
        raise ArgumentError(f"its net was made by {named:.80}, which is not part of it", where=where, hint=hint)
    if maker is None and net is not None:
        raise ArgumentError("its net is that of its family", where=where, hint="leave net out")
    for field in own.keys() - fields.keys():
        raise wrong(f"{field!r} is missing", where)
    values = {field: _from_json(value, own.get(field), f"{where}, {field}") for field, value in fields.items()}
    return made(cls, values | ({} if net is None else {"net": net}), where=where)


def sampling_from_json(told: dict[str, Any], *, known: Collection[str], where: str = "recipe.json") -> Sampling:
    """How the model of a saved recipe draws: what stands under `how`, or in the first schema among the fields, where
    settings stood that it did not know. `known` are those that it does.
    """
    if "how" in told:
        how = Sampling.from_json(told["how"], where=f"{where}, how")
        if not how.told.keys() <= set(known):
            raise wrong("settings that the family does not have", f"{where}, how")
        return how
    fields, name = entry(told, "fields", dict, where=where), entry(told, "family", str, where=where)
    found = {
        now: fields[old] for old, now in MOVED.get(name, {}).items() if now in known and fields.get(old) is not None
    }
    if isinstance(found.get("sampler"), dict):
        found["sampler"] = str(found["sampler"].get("function")).rpartition(".")[2]
    return Sampling.from_json(found, where=where)


def _to_json(value: Any) -> Any:
    if isinstance(value, Family):
        return recipe_to_json(value)
    if callable(value):
        named = value if hasattr(value, "__qualname__") else type(value)
        return {"function": f"{named.__module__}.{named.__qualname__}"}
    if isinstance(value, tuple):
        return {"tuple": [_to_json(each) for each in value]}
    assert value is None or isinstance(value, (bool, int, float, str)), f"not a recipe value: {value!r}"
    return value


def _from_json(value: Any, default: Any, where: str) -> Any:
    """A value of a recipe; a function must be called as the `default` is."""
    if not isinstance(value, dict):
        return value
    if "family" in value:
        return recipe_from_json(value, where=where)
    if "tuple" in value:
        return tuple(_from_json(each, None, where) for each in entry(value, "tuple", tuple, where=where))
    named = entry(value, "function", str, where=where)
    named = f"{HOMES[named]}.{named.rpartition('.')[2]}" if named in HOMES else named
    module, _, name = named.rpartition(".")
    # Only public functions of modules in these packages can be named, so a recipe cannot import or call anything else.
    known = module.startswith(FUNCTION_HOMES) and not name.startswith("_") and importlib.util.find_spec(module)
    function = getattr(importlib.import_module(module), name, None) if known else None
    if not inspect.isfunction(function) or function.__module__ != module or not _alike(function, default):
        raise wrong(f"no function {named!r:.80} to take here", where)
    return function


def _alike(function: Any, default: Any) -> bool:
    """Whether both are functions of arguments with the same names, or nearly: the second may be called otherwise."""
    if not inspect.isfunction(default):
        return False
    own, other = (list(inspect.signature(each).parameters) for each in (function, default))
    return len(own) == len(other) and own[:1] == other[:1]
