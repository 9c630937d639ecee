"""How many digits numbers of full precision were written with, and numbers rounded to as many."""

import numpy as np
from jaxtyping import Float

ALL_DIGITS = 16  # significant digits from which on float64 numbers are as precise as they come


def written_digits(values: Float[np.ndarray, " n"]) -> tuple[int, ...]:
    """Significant digits and decimal places that suffice to write every value; empty where full precision is needed.

    >>> written_digits(np.array([3.401e-13, 2.5e-9])), written_digits(np.array([1 / 3]))
    ((4, 16), ())
    """
    significant, places = 1, 0
    for value in np.unique(values).tolist():
        mantissa, _, exponent = f"{value!r}".partition("e")
        whole, _, fraction = mantissa.lstrip("-").partition(".")
        fraction = fraction.rstrip("0")
        places = max(places, len(fraction) - int(exponent or 0))
        significant = max(significant, len((whole + fraction).strip("0")))
        if significant >= ALL_DIGITS:
            return ()
    return significant, places


def to_digits(values: Float[np.ndarray, " n"], digits: tuple[int, ...]) -> Float[np.ndarray, " n"]:
    """Values with no more significant digits and decimal places than `digits` says; empty: as they are.

    >>> to_digits(np.array([3.40149e-13, 0.0123456]), (4, 16)).tolist()
    [3.401e-13, 0.01235]
    """
    if not digits:
        return values
    significant, places = digits
    with np.errstate(divide="ignore"):
        exponents = np.floor(np.log10(np.abs(values)))
    kept = np.minimum(significant - 1, places + np.where(np.isfinite(exponents), exponents, 0)).astype(int)
    # through text, since powers of ten beyond 22 are not exact in float64
    pairs = zip(values.tolist(), kept.tolist(), strict=True)
    return np.array([float(f"{v:.{k}e}") if k >= 0 else round(v, places) for v, k in pairs], dtype=np.float64)
