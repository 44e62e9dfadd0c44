"""Intervals in closed form."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

LEVEL = 0.95


def wilson(successes: float, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """The Wilson score interval of a proportion (Wilson, JASA 22, 1927). Raises ValueError for no trials."""
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials have no interval")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    reach = z / (1 + z * z / trials) * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else max(0.0, middle - reach)
    high = 1.0 if successes == trials else min(1.0, middle + reach)
    return low, high


def student(value: float, error: float, freedom: float, level: float = LEVEL) -> tuple[float, float]:
    """`value` plus and minus Student's t times its standard error."""
    from scipy.special import stdtrit

    reach = float(stdtrit(freedom, 0.5 + level / 2)) * error
    return value - reach, value + reach
