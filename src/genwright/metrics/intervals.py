"""95 % confidence intervals: delete-a-group jackknife, Wilson's for shares, influence functions for AUC."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

Z95 = 1.959963984540054  # the 97.5 % quantile of the standard normal law
GROUPS = 20  # of the delete-a-group jackknife: enough for a standard error, few enough to be cheap


def normal_interval(value: float, error: float, *, low: float = -np.inf, high: float = np.inf) -> tuple[float, float]:
    """`value` -+ 1.96 standard errors, kept within what the quantity can be.

    >>> normal_interval(0.5, 0.5, low=0.0)[0]
    0.0
    """
    return float(max(value - Z95 * error, low)), float(min(value + Z95 * error, high))


def share_interval(share: float, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share seen among n records (Wilson 1927); honest at 0, at 1 and at small n."""
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    low, high = max(centre - half, 0.0), min(centre + half, 1.0)
    return float(min(low, share)), float(max(high, share))


def jackknife_groups(n: int, seed: int) -> Int[np.ndarray, "n"]:
    """A random group number for each of n records, groups as equal in size as can be."""
    return np.random.default_rng(seed).permutation(n) % min(GROUPS, n)


def jackknife_error(left_out: Float[np.ndarray, "g"]) -> float:
    """Standard error from the statistic's values with one group left out at a time.

    Delete-a-group jackknife: Shao and Wu 1989, "A general theory for jackknife variance estimation". Leaving out
    groups rather than single records keeps it valid for statistics with kinks, such as total variation.
    """
    g = len(left_out)
    return float(np.sqrt((g - 1) / g * np.sum((left_out - left_out.mean()) ** 2)))


def auc_influence(
    score: Float[np.ndarray, "n"], positive: Bool[np.ndarray, "n"]
) -> tuple[float, Float[np.ndarray, "n"]]:
    """Area under the ROC curve and each record's influence on it; var(AUC) is mean(influence**2) / n.

    The influence values are the centred structural components of DeLong et al. 1988; influences of several AUCs on
    the same records may be added and subtracted, which gives intervals for their means and differences.
    Both classes must be present.
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    assert n_positive and n_negative, "AUC needs both classes"
    ranks = rankdata(score)
    within = np.empty(len(score))
    within[positive] = rankdata(score[positive])
    within[~positive] = rankdata(score[~positive])
    beaten = ranks - within  # for a positive: negatives below it; for a negative: positives below it (ties half)
    auc = float(beaten[positive].sum() / (n_positive * n_negative))
    component = np.where(positive, beaten / n_negative - auc, 1 - beaten / n_positive - auc)
    return auc, component * np.where(positive, len(score) / n_positive, len(score) / n_negative)


def influence_error(influence: Float[np.ndarray, "n"]) -> float:
    """Standard error of an estimate from its influence values."""
    return float(np.sqrt(np.mean(influence**2) / len(influence)))
