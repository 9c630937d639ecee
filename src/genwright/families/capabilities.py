"""Which families can do what, asked of the families themselves: hints, choices and tables are made from this."""

from collections.abc import Callable

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families import FAMILIES
from genwright.families.family import Capabilities, Family
from genwright.families.sampling import Sampling
from genwright.nets.default import require_nets
from genwright.spaces import Conditions, Space


def suitable(space: Space) -> list[Family]:
    """Every family that models records of `space`, with its default settings."""
    return [family for family in (FAMILIES[name]() for name in FAMILIES) if models(family, space)]


def check(family: Family, space: Space, conditions: Conditions | None = None) -> None:
    """Raise, with a hint, if the family cannot model records of `space` under such conditions."""
    others = () if conditions is None else tuple(own for _, own in conditions.others)

    def fits(can: Capabilities) -> bool:
        return all(isinstance(own, can.conditions) for own in others)

    try:
        fine = fits(family.can(space))
    except UnsupportedError as error:
        names = able(space, fits)
        hint = "; ".join(filter(None, (error.hint, f"fit with {names}" if names else "")))
        raise UnsupportedError(error.what, hint=hint) from None
    require_nets(*others)
    if not fine:
        what = f"{family.name} is conditioned on numbers and categories only"
        raise UnsupportedError(what, where="target", hint=f"fit with {able(space, fits)}")


def models(family: Family, space: Space) -> bool:
    """Whether the family models records of `space`."""
    try:
        family.can(space)
    except UnsupportedError:
        return False
    return True


def able(space: Space, ability: Callable[[Capabilities], bool]) -> str:
    """The families of `space` that have an ability, as a hint names them.

    >>> from genwright.spaces import Reals
    >>> able(Reals((3, 32, 32), levels=256), lambda can: can.encodes)
    'VAE, FlowMatching, Diffusion or TwoStage'
    """
    names = [type(family).__name__ for family in suitable(space) if ability(family.can(space))]
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def without(space: Space, ability: Callable[[Capabilities], bool], *, what: str) -> str:
    """The hint of an error that a family lacks an ability: who has it, or that none has it."""
    names = able(space, ability)
    return f"fit with {names}" if names else f"no family has {what} for this kind of data"


def settled(family: Family, space: Space, how: Sampling, defaults: Sampling) -> Sampling:
    """The settings of a request over those of the model; UnsupportedError for those that the family does not have."""
    if not isinstance(how, Sampling):
        what = f"how is a {type(how).__name__}"
        raise ArgumentError(what, where="how", hint="give gw.Sampling(temperature=0.7) or the like")
    known = family.can(space).how
    for name in how.told:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes no settings"
            raise UnsupportedError(f"{family.name} has no {name}", where="how", hint=f"leave it out; {takes}")
    return how.over(defaults)
