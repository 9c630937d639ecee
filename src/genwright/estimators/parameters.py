"""Parameters as scikit-learn searches them: those of the family inside an estimator are `family__...`."""

import dataclasses
from typing import Any, Self

from sklearn.base import BaseEstimator

from genwright.errors import ArgumentError
from genwright.families.family import Family
from genwright.families.recipe import check_family
from genwright.randomness import checked_seed
from genwright.train.limits import checked_budget

PREFIX = "family__"


class FamilyParameters(BaseEstimator):
    """An estimator with a `family`, `minutes`, `steps` and a `seed`."""

    family: Family | None
    minutes: float | None
    steps: int | None
    seed: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters by name; `deep`: those of the family too."""
        params = super().get_params(deep)
        if deep and isinstance(self.family, Family):
            params |= {PREFIX + f.name: getattr(self.family, f.name) for f in dataclasses.fields(self.family)}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; `family__components=3` puts another family with that field in place."""
        inner = {name.removeprefix(PREFIX): v for name, v in params.items() if name.startswith(PREFIX)}
        super().set_params(**{name: v for name, v in params.items() if not name.startswith(PREFIX)})
        if inner:
            where = type(self).__name__
            if self.family is None:
                what = f"no family to set {', '.join(inner)} of"
                raise ArgumentError(what, where=where, hint="give one first: family=genwright.Mixture()")
            check_family(self.family, where=where)
            known = [f.name for f in dataclasses.fields(self.family)]
            if lost := [name for name in inner if name not in known]:
                what = f"{type(self.family).__name__} has no parameter {lost[0]!r}"
                raise ArgumentError(what, where=where, hint=f"there are {', '.join(known)}")
            self.family = dataclasses.replace(self.family, **inner)
        return self

    def _check_parameters(self) -> None:
        """Raise for what is no family, no time, no count and no seed."""
        where = type(self).__name__
        if self.family is not None:
            check_family(self.family, where=where)
        checked_budget(self.minutes, self.steps, where=where)
        checked_seed(self.seed, where=where)
