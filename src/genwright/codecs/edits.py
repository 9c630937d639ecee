"""Pictures that are given in part, or that samples are to be like."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Bool

from genwright.errors import ArgumentError


@final
@dataclass(frozen=True, eq=False)
class Inpaint:
    """A picture that is drawn anew where `mask` is true, and kept as it is everywhere else.

    `image` holds pixels as samples do, (height, width, channels) or n of them; `mask` is (height, width), or n of them.

    >>> import genwright as gw, numpy as np
    >>> data = gw.read("digits")
    >>> model = gw.fit(data, family=gw.FlowMatching(width=8), steps=5)
    >>> picture, lower = data.test.columns["image"][0], np.arange(8)[:, None] >= np.full(8, 4)
    >>> drawn = model.sample(3, given={"image": gw.Inpaint(picture, lower)}).columns["image"]
    >>> bool((drawn[:, :4] == picture[:4]).all())
    True
    """

    image: Any
    mask: Any


@final
@dataclass(frozen=True, eq=False)
class Variation:
    """A picture that samples are to be like: as it is at a `strength` of 0, anything at 1.

    So much noise as the strength says is put on it, and taken off by the model: Meng et al. 2022, "SDEdit",
    arXiv:2108.01073. With a `mask`, only where that is true. Shapes are those of `Inpaint`.

    >>> Variation(np.zeros((8, 8, 1)), strength=2)
    Traceback (most recent call last):
        ...
    genwright.errors.ArgumentError: strength=2: no such strength
      hint: give a number from 0 (the picture itself) to 1 (any)
    """

    image: Any
    strength: float = 0.5
    mask: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.strength, int | float) or not 0 <= self.strength <= 1:
            hint = "give a number from 0 (the picture itself) to 1 (any)"
            raise ArgumentError("no such strength", where=f"strength={self.strength!r:.60}", hint=hint)


def mask_of(told: Any, n: int, sides: tuple[int, int], *, where: str) -> Bool[np.ndarray, "m h w 1"]:
    """Which places are drawn anew, of all records alike (m = 1) or of each of n; ArgumentError for other shapes."""
    try:
        mask = np.asarray(told)
    except ValueError:
        mask = np.empty(0, dtype=object)
    known = mask.dtype.kind in "biuf" and mask.size and bool(np.isin(mask, (0, 1)).all())
    if not known or mask.shape not in (sides, (n, *sides), (*sides, 1), (n, *sides, 1)):
        what = f"a mask of shape {mask.shape}" if known else "a mask that is not true and false throughout"
        hint = f"give {sides} or {(n, *sides)}, true where the picture is to be drawn anew"
        raise ArgumentError(what, where=where, hint=hint)
    return mask.astype(bool).reshape(-1, *sides, 1)
