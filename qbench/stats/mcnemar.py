"""Two classifiers on the same samples, by the samples that only one of them gets right."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from qbench.stats.intervals import LEVEL


@dataclass(frozen=True)
class Discordant:
    """`n` samples, of which the first alone gets `first` right and the second alone `second`."""

    n: int
    first: int
    second: int

    @property
    def difference(self) -> float:
        """The share that the first gets right minus that of the second."""
        return (self.first - self.second) / self.n

    def mid_p(self) -> float:
        """The two-sided p-value of McNemar's test, with the observed split counted half: a binomial test of the
        discordant samples at 1/2 (McNemar, Psychometrika 12, 1947; Fagerland, Lydersen & Laake, BMC Medical Research
        Methodology 13, 2013). It is wrong nearly as often as it says, the exact test far too seldom."""
        from scipy.special import bdtr

        few, discordant = min(self.first, self.second), self.first + self.second
        if self.first == self.second:
            return 1.0
        fewer = float(bdtr(few - 1, discordant, 0.5)) if few else 0.0
        return min(1.0, float(bdtr(few, discordant, 0.5)) + fewer)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The score interval of `difference` (Tango, Statistics in Medicine 17, 1998): the differences that a score
        test with the variance under each of them does not refuse. It has a width where there is no discordant sample
        too. Raises ValueError for no samples."""
        from scipy.optimize import brentq

        if self.n < 1 or min(self.first, self.second) < 0 or self.first + self.second > self.n:
            raise ValueError(f"{self} has no interval")
        z = NormalDist().inv_cdf(0.5 + level / 2)
        here = self.difference

        def end(limit: float, sign: float) -> float:
            inside = limit * (1 - 1e-12)
            if abs(here - limit) < 1e-12 or sign * self._score(inside) < z:
                return limit
            return float(brentq(lambda delta: sign * self._score(delta) - z, here, inside, xtol=1e-12))

        return end(-1.0, 1.0), end(1.0, -1.0)

    def _score(self, delta: float) -> float:
        """Tango's equation 10: the standardised distance of the observed difference from `delta`."""
        n, b, c = self.n, self.first, self.second
        middle = (2 * n - b + c) * delta - b - c
        q = (sqrt(max(middle**2 + 8 * n * c * delta * (1 - delta), 0.0)) - middle) / (4 * n)
        variance = n * (2 * q + delta * (1 - delta))
        distance = b - c - n * delta
        if abs(distance) < 1e-9:
            return 0.0
        return distance / sqrt(variance) if variance > 0 else distance * float("inf")


def discordant(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Discordant:
    """From whether each sample [n] is right, for both."""
    return Discordant(len(first), int((first & ~second).sum()), int((~first & second).sum()))
